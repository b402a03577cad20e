# bash completion for anycast-healthchecker(8)

# The names of the services, of the configuration that the command line names so far.
_anycast_healthchecker_services() {
    local -a files=()
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -f | --file | -d | --dir | -F | --service-file)
                files+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
                ;;
        esac
    done
    "${COMP_WORDS[0]}" "${files[@]}" -P 2>/dev/null | while IFS= read -r line; do
        case $line in
            '[daemon]' | '[DEFAULT]') ;;
            '['*']')
                line=${line#'['}
                printf '%s\n' "${line%']'}"
                ;;
        esac
    done
}

_anycast_healthchecker() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local line
    COMPREPLY=()
    case $previous in
        -f | --file | -F | --service-file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        -d | --dir)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --drain | --undrain)
            while IFS= read -r line; do
                # Names may hold blanks and quotes: each is quoted for the shell.
                [[ $line == "$current"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
            done < <(_anycast_healthchecker_services)
            return
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W '-f --file -d --dir -F --service-file -c --check -p --print
        -P --print-conf -t --test -s --status --drain --undrain --withdraw --after --watch --create-files --empty
        --summary --json -v --version -h --help' -- "$current")
}

complete -F _anycast_healthchecker anycast-healthchecker
