# Completion of mpserv for bash.

_mpserv() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $before in
    --service) mapfile -t COMPREPLY < <(compgen -W 'echo discard rot13' -- "$current") ;;
    --log) mapfile -t COMPREPLY < <(compgen -W 'text json syslog' -- "$current") ;;
    --log-time) mapfile -t COMPREPLY < <(compgen -W 'auto yes no' -- "$current") ;;
    --mode) mapfile -t COMPREPLY < <(compgen -W '600 660 666' -- "$current") ;;
    --orphans) mapfile -t COMPREPLY < <(compgen -W 'end keep' -- "$current") ;;
    --keepalive) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$current") ;;
    -u | --user | --owner) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
    --rules | --pidfile | --status) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    --chroot) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    --rlimit)
        mapfile -t COMPREPLY < <(compgen -S = -W 'as core cpu data fsize locks memlock msgqueue nice nofile nproc
            rss rtprio rttime sigpending stack' -- "$current")
        ;;
    -c | -C | -b | -t | --max-children | --max-per-source | --source-prefix | --max-rate | --prefork | --max-requests | --backlog | \
        --listen | --idle-timeout | --max-lifetime | --grace | --defer-accept) ;;
    *)
        case $current in
        -*)
            mapfile -t COMPREPLY < <(compgen -W '--max-children --max-per-source --source-prefix --max-rate --rules --prefork
                --max-requests --backlog --listen --mode --owner --service --idle-timeout --max-lifetime --grace --orphans --user
                --chroot --rlimit --sandbox --proxy-protocol --nodelay --keepalive --reuse-port --defer-accept
                --pidfile --status --json --watch --log --log-time --verbose --quiet --help --version' -- "$current")
            ;;
        *) mapfile -t COMPREPLY < <(compgen -c -W 'unix: inherit' -- "$current") ;;
        esac
        ;;
    esac
}
complete -F _mpserv mpserv
