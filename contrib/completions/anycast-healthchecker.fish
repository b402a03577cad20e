# fish completion for anycast-healthchecker(8)

# The names of the services, of the configuration that the command line names so far.
function __anycast_healthchecker_services
    set -l words (commandline -opc)
    set -l files
    set -l i 2
    while test $i -lt (count $words)
        if contains -- $words[$i] -f --file -d --dir -F --service-file
            set -a files $words[$i] $words[(math $i + 1)]
        end
        set i (math $i + 1)
    end
    $words[1] $files -P 2>/dev/null | string match -r -g '^\[(.*)\]$' | string match -v -r '^(daemon|DEFAULT)$'
end

complete -c anycast-healthchecker -f
complete -c anycast-healthchecker -s f -l file -r -F -d 'Settings of the daemon'
complete -c anycast-healthchecker -s d -l dir -x -a '(__fish_complete_directories)' -d 'Directory of service checks'
complete -c anycast-healthchecker -s F -l service-file -r -F -d 'One file of service checks'
complete -c anycast-healthchecker -s c -l check -d 'Validate the configuration'
complete -c anycast-healthchecker -s p -l print -d 'Print the default settings'
complete -c anycast-healthchecker -s P -l print-conf -d 'Print the running configuration'
complete -c anycast-healthchecker -s t -l test -d 'Run every check once, now'
complete -c anycast-healthchecker -s s -l status -d 'Ask the running daemon'
complete -c anycast-healthchecker -l summary -d 'Print counts and what is down (with -s)'
complete -c anycast-healthchecker -l drain -x -a '(__anycast_healthchecker_services)' -d 'Take a service into maintenance'
complete -c anycast-healthchecker -l undrain -x -a '(__anycast_healthchecker_services)' -d 'Bring a service back'
complete -c anycast-healthchecker -l withdraw -d 'Withdraw every prefix if no daemon works'
complete -c anycast-healthchecker -l after -x -d 'Seconds to wait for a daemon (with --withdraw)'
complete -c anycast-healthchecker -l watch -x -d 'Withdraw whenever no daemon has worked for so many seconds'
complete -c anycast-healthchecker -l create-files -d 'Create missing prefix files'
complete -c anycast-healthchecker -l empty -d 'Empty existing ones after a boot (with --create-files)'
complete -c anycast-healthchecker -l json -d 'Print one JSON document (with -P, -s, -t)'
complete -c anycast-healthchecker -s v -l version -d 'Print the version'
complete -c anycast-healthchecker -s h -l help -d 'Print the usage'
