#compdef anycast-healthchecker
# zsh completion for anycast-healthchecker(8)

# The names of the services, of the configuration that the command line names so far.
_anycast_healthchecker_services() {
  local -a files names
  local option
  for option in -f --file -d --dir -F --service-file; do
    [[ -n ${opt_args[$option]} ]] && files+=($option ${(Q)opt_args[$option]})
  done
  names=(${(f)"$(_call_program services $words[1] ${(q)files} -P 2>/dev/null)"})
  names=(${${${(M)names:#\[*\]}#\[}%\]})
  names=(${names:#(daemon|DEFAULT)})
  compadd -a names
}

_arguments -s \
  '(-f --file)'{-f,--file=}'[settings of the daemon]:file:_files' \
  '(-d --dir -F --service-file)'{-d,--dir=}'[directory of service checks]:directory:_files -/' \
  '(-d --dir -F --service-file)'{-F,--service-file=}'[one file of service checks]:file:_files' \
  '--summary[print counts and what is down (with -s)]' \
  '--after[seconds to wait for a daemon (with --withdraw)]:seconds: ' \
  '--empty[empty existing files after a boot (with --create-files)]' \
  '--json[print one JSON document (with -P, -s, -t)]' \
  + '(mode)' \
  {-c,--check}'[validate the configuration]' \
  {-p,--print}'[print the default settings]' \
  {-P,--print-conf}'[print the running configuration]' \
  {-t,--test}'[run every check once, now]' \
  {-s,--status}'[ask the running daemon]' \
  '--drain[take a service into maintenance]:service:_anycast_healthchecker_services' \
  '--undrain[bring a service back from maintenance]:service:_anycast_healthchecker_services' \
  '--withdraw[withdraw every prefix if no daemon works]' \
  '--watch[withdraw whenever no daemon has worked for so long]:seconds: ' \
  '--create-files[create missing prefix files]' \
  {-v,--version}'[print the version]' \
  {-h,--help}'[print the usage]'
