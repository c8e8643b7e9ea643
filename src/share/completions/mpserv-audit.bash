# Completion of mpserv-audit for bash.

_mpserv_audit() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $before in
    --accept) mapfile -t COMPREPLY < <(compgen -W 'same texts values different' -- "$current") ;;
    --faults) mapfile -t COMPREPLY < <(compgen -W 'all part' -- "$current") ;;
    -f | --from) mapfile -t COMPREPLY < <(compgen -W 'main execve' -- "$current") ;;
    -o | --stdout) mapfile -t COMPREPLY < <(compgen -W 'pty pipe file' -- "$current") ;;
    -s | --signal) mapfile -t COMPREPLY < <(compgen -W 'INT TERM HUP USR1 USR2 QUIT' -- "$current") ;;
    --c | --html | --json | --lesson | --exercise) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    --rust | --save) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    -a | -b | -d | --a | --b | --drive) mapfile -t COMPREPLY < <(compgen -c -f -- "$current") ;;
    -l | -t | --listen | --timeout) ;;
    *)
        case $current in
        -*)
            mapfile -t COMPREPLY < <(compgen -W '--a --b --listen --drive --signal --c --rust --faults --stdout --from
                --normalizations --accept --output --diff --traces --sources --html --json --save --lesson --exercise
                --timeout --help --version' -- "$current")
            ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W 'fork zombie wait waitpid signal sigaction remove_zombie echo_mpserv
                echo_mpclient code05 code04 socket_serve socket_client rot13_serv mpserv' -- "$current")
            ;;
        esac
        ;;
    esac
}
complete -F _mpserv_audit mpserv-audit
