# Completion of mpserv-load for bash.

_mpserv_load() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $before in
    -w | -s | -n | -r | -k | -z | -i | -t | --workers | --seconds | --count | --rate | --keep | --size | --send | --expect | \
        --idle | --timeout) ;;
    *)
        case $current in
        -*)
            mapfile -t COMPREPLY < <(compgen -W '--workers --seconds --count --rate --keep --size --send --expect --idle
                --timeout --reset --json --quiet --help --version' -- "$current")
            ;;
        *) mapfile -t COMPREPLY < <(compgen -W 'unix:' -- "$current") ;;
        esac
        ;;
    esac
}
complete -F _mpserv_load mpserv-load
