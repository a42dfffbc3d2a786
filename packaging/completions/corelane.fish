# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_corelane_global_optspecs
    string join \n config= listen= admin= workers= pin= report= hgrm= log-level= log-format= log-file= access-log= access-log-format= access-log-sample= root= fallback= listing= precompressed= head-bytes-max= fields-max= target-bytes-max= body-bytes-max= upload-bytes-max= memory-max= requests-max= receive-rate-min= send-rate-min= connections-max= connections-full= connections-soft-max= connections-per-address-max= pipelined-max= balance= backlog= notsent-bytes= defer-accept= busy-poll= blocking-queue-max= head-time= body-time= idle-time= send-time= later-time= overload-delay= overload-interval= lifetime-max= rate-time= user-timeout= linger-time= lame-duck= drain-time= drain-idle-time= stall-time= proxy-protocol-from= trusted-proxies= client-address-field= compress= stage-sampling= server-timing= server-name= h/help V/version
end

function __fish_corelane_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_corelane_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_corelane_using_subcommand
    set -l cmd (__fish_corelane_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c corelane -n "__fish_corelane_needs_command" -l config -d 'Where the settings without flag or variable come from' -r -F
complete -c corelane -n "__fish_corelane_needs_command" -l listen -d 'Listen here; may be repeated' -r
complete -c corelane -n "__fish_corelane_needs_command" -l admin -d 'Where to show health, metrics and a live page' -r
complete -c corelane -n "__fish_corelane_needs_command" -l workers -d 'Worker threads [default: one for each CPU that may be used]' -r
complete -c corelane -n "__fish_corelane_needs_command" -l pin -d 'Whether each worker stays on its own CPU' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l report -d 'What to print at the end, on standard output' -r -f -a "text\t'Tables for people'
json\t'One line of JSON for programs'
none\t'Nothing'"
complete -c corelane -n "__fish_corelane_needs_command" -l hgrm -d 'Where to write the distribution of service times at the end' -r -F
complete -c corelane -n "__fish_corelane_needs_command" -l log-level -d 'What is logged' -r -f -a "error\t'What failed'
warn\t'What should be looked at'
info\t'What happens seldom'
debug\t'What is of use to developers'
off\t'Nothing'"
complete -c corelane -n "__fish_corelane_needs_command" -l log-format -d 'How it is logged' -r -f -a "text\t'Words for people'
json\t'An object a line for programs'"
complete -c corelane -n "__fish_corelane_needs_command" -l log-file -d 'Where it is logged [default: standard error]' -r -F
complete -c corelane -n "__fish_corelane_needs_command" -l access-log -d 'Where each answer has a line' -r
complete -c corelane -n "__fish_corelane_needs_command" -l access-log-format -d 'How such a line is written' -r -f -a "combined\t''
json\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l access-log-sample -d 'Of how many answers one has a line' -r
complete -c corelane -n "__fish_corelane_needs_command" -l root -d 'Serve the files of this directory' -r -F
complete -c corelane -n "__fish_corelane_needs_command" -l fallback -d 'What answers where there is no file, such as index.html' -r
complete -c corelane -n "__fish_corelane_needs_command" -l listing -d 'Whether a directory without index.html is listed' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l precompressed -d 'Whether app.js.br, .zst or .gz answer for app.js' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l head-bytes-max -d 'Bytes of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_needs_command" -l fields-max -d 'Fields of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_needs_command" -l target-bytes-max -d 'Bytes of a request\'s target; beyond: 414' -r
complete -c corelane -n "__fish_corelane_needs_command" -l body-bytes-max -d 'Bytes of a request\'s body; beyond: 413' -r
complete -c corelane -n "__fish_corelane_needs_command" -l upload-bytes-max -d 'Bytes of a body taken in pieces; beyond: 413' -r
complete -c corelane -n "__fish_corelane_needs_command" -l memory-max -d 'Memory per worker; beyond: 503 [default: a share]' -r
complete -c corelane -n "__fish_corelane_needs_command" -l requests-max -d 'Requests on one connection' -r
complete -c corelane -n "__fish_corelane_needs_command" -l receive-rate-min -d 'Bytes per second a body must come with; else 408' -r
complete -c corelane -n "__fish_corelane_needs_command" -l send-rate-min -d 'Bytes per second an answer must be taken with' -r
complete -c corelane -n "__fish_corelane_needs_command" -l connections-max -d 'Most per worker [default: from the descriptor limit]' -r
complete -c corelane -n "__fish_corelane_needs_command" -l connections-full -d 'What newcomers meet at that limit' -r -f -a "pause\t''
refuse\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l connections-soft-max -d 'Then newcomers end idle ones [default: 7/8 of them]' -r
complete -c corelane -n "__fish_corelane_needs_command" -l connections-per-address-max -d 'Most per worker and address [default: any number]' -r
complete -c corelane -n "__fish_corelane_needs_command" -l pipelined-max -d 'Pipelined requests of one connection in a row' -r
complete -c corelane -n "__fish_corelane_needs_command" -l balance -d 'How connections are spread over the workers' -r
complete -c corelane -n "__fish_corelane_needs_command" -l backlog -d 'Connections the kernel queues for each listener' -r
complete -c corelane -n "__fish_corelane_needs_command" -l notsent-bytes -d 'Bytes of an answer in the kernel and not yet sent' -r
complete -c corelane -n "__fish_corelane_needs_command" -l defer-accept -d 'Whether silent connections wait in the kernel' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l busy-poll -d 'How long a worker polls before it sleeps, in µs' -r
complete -c corelane -n "__fish_corelane_needs_command" -l blocking-queue-max -d 'Jobs that wait for a thread for blocking work' -r
complete -c corelane -n "__fish_corelane_needs_command" -l head-time -d 'Longest wait for a whole head; beyond: 408' -r
complete -c corelane -n "__fish_corelane_needs_command" -l body-time -d 'Longest wait for a whole body; beyond: 408' -r
complete -c corelane -n "__fish_corelane_needs_command" -l idle-time -d 'Longest wait for the next request of a connection' -r
complete -c corelane -n "__fish_corelane_needs_command" -l send-time -d 'Longest wait for a client to take a byte' -r
complete -c corelane -n "__fish_corelane_needs_command" -l later-time -d 'Longest wait for a promised answer; beyond: 504' -r
complete -c corelane -n "__fish_corelane_needs_command" -l overload-delay -d 'Longest wait for a busy worker; beyond: 503' -r
complete -c corelane -n "__fish_corelane_needs_command" -l overload-interval -d 'How long waits are too long before a 503' -r
complete -c corelane -n "__fish_corelane_needs_command" -l lifetime-max -d 'Longest life of a connection, less up to a tenth' -r
complete -c corelane -n "__fish_corelane_needs_command" -l rate-time -d 'How long a body may come too slowly; beyond: 408' -r
complete -c corelane -n "__fish_corelane_needs_command" -l user-timeout -d 'Longest wait for a client\'s kernel to answer' -r
complete -c corelane -n "__fish_corelane_needs_command" -l linger-time -d 'How long to drop late bytes after a closing answer' -r
complete -c corelane -n "__fish_corelane_needs_command" -l lame-duck -d 'How long to serve on, not ready, before a drain' -r
complete -c corelane -n "__fish_corelane_needs_command" -l drain-time -d 'Longest time from the wish to stop to the end' -r
complete -c corelane -n "__fish_corelane_needs_command" -l drain-idle-time -d 'How long a drain still waits on idle connections' -r
complete -c corelane -n "__fish_corelane_needs_command" -l stall-time -d 'Longest turn of a worker; a longer one is logged' -r
complete -c corelane -n "__fish_corelane_needs_command" -l proxy-protocol-from -d 'Peers that begin with a PROXY header' -r
complete -c corelane -n "__fish_corelane_needs_command" -l trusted-proxies -d 'Peers believed when they say for whom they ask' -r
complete -c corelane -n "__fish_corelane_needs_command" -l client-address-field -d 'The field they say it in' -r -f -a "forwarded\t''
x-forwarded-for\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l compress -d 'Whether answers are compressed if a client takes it' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l stage-sampling -d 'Of how many requests the stages of one are timed' -r
complete -c corelane -n "__fish_corelane_needs_command" -l server-timing -d 'Whether answers tell what they took (Server-Timing)' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_needs_command" -l server-name -d 'Value of the Server field; empty leaves it out' -r
complete -c corelane -n "__fish_corelane_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_needs_command" -s V -l version -d 'Print version'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "bench" -d 'Measure a server: rates and latencies that can be trusted'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "config" -d 'Check or print the configuration'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "doctor" -d 'Look at the machine: what of it costs connections or latency, and what to do'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "health" -d 'Ask a server whether it is well'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "report" -d 'Put recorded latencies together, or compare them'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "routes" -d 'Print the routes that would be served: method, path, what answers, hooks in order'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "serve" -d 'Serve until told to stop (what `corelane` alone does too)'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "upgrade" -d 'Have a running server replaced by the program as it is installed now'
complete -c corelane -n "__fish_corelane_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l versus -d 'Another URL to compare with, in runs that take turns' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l pairs -d 'Pairs of runs of --versus; 6 are the fewest that can tell a difference' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s r -l rate -d 'Requests a second, at fixed moments; latencies count from when each was due' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s c -l connections -d 'Connections that are kept open' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s d -l duration -d 'How long to measure' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l warm-up -d 'How long to ask before measuring' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l pipeline -d 'Requests under way on each connection of a closed loop' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l requests-per-connection -d 'Requests after which a connection is closed and another made' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l source-addresses -d 'Addresses of this machine that connections come from, in turn' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l timeout -d 'After this long without an answer a request has failed' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s t -l threads -d 'Threads [default: one for each CPU that the server does not use]' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l pin -d 'Whether each thread stays on its own CPU' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s X -l method -d 'Method' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s H -l header -d 'Field, as `Name: value`; may be repeated' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l body -d 'Body; the method is then POST unless it is named' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l body-file -d 'File that holds the body' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l raw -d 'File that holds a whole request; may be repeated, they take turns' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l server-view -d 'Where the server tells what it measured: a path on it, a URL, or off' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l report -d 'What to print at the end, on standard output' -r -f -a "text\t'Tables for people'
json\t'One line of JSON for programs'
none\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l json -d 'Where to write the report as JSON' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l hgrm -d 'Where to write the distribution of latencies, in HdrHistogram\'s percentile format' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l hlog -d 'Where to write a histogram of each second, in HdrHistogram\'s interval log format' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l html -d 'Where to write the report as a page with plots, complete in itself' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l fail-if -d 'Exit with code 3 if a figure is beyond a limit, as `p99>500us`; may be repeated' -r
complete -c corelane -n "__fish_corelane_using_subcommand bench" -l sweep -d 'Try rates up to more than the server can do, each for --duration, and find the knee'
complete -c corelane -n "__fish_corelane_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_using_subcommand config; and not __fish_seen_subcommand_from check default print help" -s h -l help -d 'Print help'
complete -c corelane -n "__fish_corelane_using_subcommand config; and not __fish_seen_subcommand_from check default print help" -f -a "check" -d 'Say whether `serve` with these flags could start; binds nothing'
complete -c corelane -n "__fish_corelane_using_subcommand config; and not __fish_seen_subcommand_from check default print help" -f -a "default" -d 'Print a file with every key, its default and why'
complete -c corelane -n "__fish_corelane_using_subcommand config; and not __fish_seen_subcommand_from check default print help" -f -a "print" -d 'Print what is in force with these flags, and where each value comes from'
complete -c corelane -n "__fish_corelane_using_subcommand config; and not __fish_seen_subcommand_from check default print help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Where the settings without flag or variable come from' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l listen -d 'Listen here; may be repeated' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l admin -d 'Where to show health, metrics and a live page' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l workers -d 'Worker threads [default: one for each CPU that may be used]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l pin -d 'Whether each worker stays on its own CPU' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l report -d 'What to print at the end, on standard output' -r -f -a "text\t'Tables for people'
json\t'One line of JSON for programs'
none\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l hgrm -d 'Where to write the distribution of service times at the end' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l log-level -d 'What is logged' -r -f -a "error\t'What failed'
warn\t'What should be looked at'
info\t'What happens seldom'
debug\t'What is of use to developers'
off\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l log-format -d 'How it is logged' -r -f -a "text\t'Words for people'
json\t'An object a line for programs'"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l log-file -d 'Where it is logged [default: standard error]' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l access-log -d 'Where each answer has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l access-log-format -d 'How such a line is written' -r -f -a "combined\t''
json\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l access-log-sample -d 'Of how many answers one has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l root -d 'Serve the files of this directory' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l fallback -d 'What answers where there is no file, such as index.html' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l listing -d 'Whether a directory without index.html is listed' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l precompressed -d 'Whether app.js.br, .zst or .gz answer for app.js' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l head-bytes-max -d 'Bytes of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l fields-max -d 'Fields of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l target-bytes-max -d 'Bytes of a request\'s target; beyond: 414' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l body-bytes-max -d 'Bytes of a request\'s body; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l upload-bytes-max -d 'Bytes of a body taken in pieces; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l memory-max -d 'Memory per worker; beyond: 503 [default: a share]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l requests-max -d 'Requests on one connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l receive-rate-min -d 'Bytes per second a body must come with; else 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l send-rate-min -d 'Bytes per second an answer must be taken with' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l connections-max -d 'Most per worker [default: from the descriptor limit]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l connections-full -d 'What newcomers meet at that limit' -r -f -a "pause\t''
refuse\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l connections-soft-max -d 'Then newcomers end idle ones [default: 7/8 of them]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l connections-per-address-max -d 'Most per worker and address [default: any number]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l pipelined-max -d 'Pipelined requests of one connection in a row' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l balance -d 'How connections are spread over the workers' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l backlog -d 'Connections the kernel queues for each listener' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l notsent-bytes -d 'Bytes of an answer in the kernel and not yet sent' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l defer-accept -d 'Whether silent connections wait in the kernel' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l busy-poll -d 'How long a worker polls before it sleeps, in µs' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l blocking-queue-max -d 'Jobs that wait for a thread for blocking work' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l head-time -d 'Longest wait for a whole head; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l body-time -d 'Longest wait for a whole body; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l idle-time -d 'Longest wait for the next request of a connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l send-time -d 'Longest wait for a client to take a byte' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l later-time -d 'Longest wait for a promised answer; beyond: 504' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l overload-delay -d 'Longest wait for a busy worker; beyond: 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l overload-interval -d 'How long waits are too long before a 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l lifetime-max -d 'Longest life of a connection, less up to a tenth' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l rate-time -d 'How long a body may come too slowly; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l user-timeout -d 'Longest wait for a client\'s kernel to answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l linger-time -d 'How long to drop late bytes after a closing answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l lame-duck -d 'How long to serve on, not ready, before a drain' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l drain-time -d 'Longest time from the wish to stop to the end' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l drain-idle-time -d 'How long a drain still waits on idle connections' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l stall-time -d 'Longest turn of a worker; a longer one is logged' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l proxy-protocol-from -d 'Peers that begin with a PROXY header' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l trusted-proxies -d 'Peers believed when they say for whom they ask' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l client-address-field -d 'The field they say it in' -r -f -a "forwarded\t''
x-forwarded-for\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l compress -d 'Whether answers are compressed if a client takes it' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l stage-sampling -d 'Of how many requests the stages of one are timed' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l server-timing -d 'Whether answers tell what they took (Server-Timing)' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -l server-name -d 'Value of the Server field; empty leaves it out' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from default" -s h -l help -d 'Print help'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l config -d 'Where the settings without flag or variable come from' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l listen -d 'Listen here; may be repeated' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l admin -d 'Where to show health, metrics and a live page' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l workers -d 'Worker threads [default: one for each CPU that may be used]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l pin -d 'Whether each worker stays on its own CPU' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l report -d 'What to print at the end, on standard output' -r -f -a "text\t'Tables for people'
json\t'One line of JSON for programs'
none\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l hgrm -d 'Where to write the distribution of service times at the end' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l log-level -d 'What is logged' -r -f -a "error\t'What failed'
warn\t'What should be looked at'
info\t'What happens seldom'
debug\t'What is of use to developers'
off\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l log-format -d 'How it is logged' -r -f -a "text\t'Words for people'
json\t'An object a line for programs'"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l log-file -d 'Where it is logged [default: standard error]' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l access-log -d 'Where each answer has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l access-log-format -d 'How such a line is written' -r -f -a "combined\t''
json\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l access-log-sample -d 'Of how many answers one has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l root -d 'Serve the files of this directory' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l fallback -d 'What answers where there is no file, such as index.html' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l listing -d 'Whether a directory without index.html is listed' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l precompressed -d 'Whether app.js.br, .zst or .gz answer for app.js' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l head-bytes-max -d 'Bytes of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l fields-max -d 'Fields of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l target-bytes-max -d 'Bytes of a request\'s target; beyond: 414' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l body-bytes-max -d 'Bytes of a request\'s body; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l upload-bytes-max -d 'Bytes of a body taken in pieces; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l memory-max -d 'Memory per worker; beyond: 503 [default: a share]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l requests-max -d 'Requests on one connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l receive-rate-min -d 'Bytes per second a body must come with; else 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l send-rate-min -d 'Bytes per second an answer must be taken with' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l connections-max -d 'Most per worker [default: from the descriptor limit]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l connections-full -d 'What newcomers meet at that limit' -r -f -a "pause\t''
refuse\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l connections-soft-max -d 'Then newcomers end idle ones [default: 7/8 of them]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l connections-per-address-max -d 'Most per worker and address [default: any number]' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l pipelined-max -d 'Pipelined requests of one connection in a row' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l balance -d 'How connections are spread over the workers' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l backlog -d 'Connections the kernel queues for each listener' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l notsent-bytes -d 'Bytes of an answer in the kernel and not yet sent' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l defer-accept -d 'Whether silent connections wait in the kernel' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l busy-poll -d 'How long a worker polls before it sleeps, in µs' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l blocking-queue-max -d 'Jobs that wait for a thread for blocking work' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l head-time -d 'Longest wait for a whole head; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l body-time -d 'Longest wait for a whole body; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l idle-time -d 'Longest wait for the next request of a connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l send-time -d 'Longest wait for a client to take a byte' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l later-time -d 'Longest wait for a promised answer; beyond: 504' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l overload-delay -d 'Longest wait for a busy worker; beyond: 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l overload-interval -d 'How long waits are too long before a 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l lifetime-max -d 'Longest life of a connection, less up to a tenth' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l rate-time -d 'How long a body may come too slowly; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l user-timeout -d 'Longest wait for a client\'s kernel to answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l linger-time -d 'How long to drop late bytes after a closing answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l lame-duck -d 'How long to serve on, not ready, before a drain' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l drain-time -d 'Longest time from the wish to stop to the end' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l drain-idle-time -d 'How long a drain still waits on idle connections' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l stall-time -d 'Longest turn of a worker; a longer one is logged' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l proxy-protocol-from -d 'Peers that begin with a PROXY header' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l trusted-proxies -d 'Peers believed when they say for whom they ask' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l client-address-field -d 'The field they say it in' -r -f -a "forwarded\t''
x-forwarded-for\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l compress -d 'Whether answers are compressed if a client takes it' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l stage-sampling -d 'Of how many requests the stages of one are timed' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l server-timing -d 'Whether answers tell what they took (Server-Timing)' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l server-name -d 'Value of the Server field; empty leaves it out' -r
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -l json -d 'One line of JSON for programs'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say whether `serve` with these flags could start; binds nothing'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "default" -d 'Print a file with every key, its default and why'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "print" -d 'Print what is in force with these flags, and where each value comes from'
complete -c corelane -n "__fish_corelane_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c corelane -n "__fish_corelane_using_subcommand doctor" -l root -d 'Read /proc and /sys below this folder' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand doctor" -l all -d 'Print what is fine and what may be tried, too'
complete -c corelane -n "__fish_corelane_using_subcommand doctor" -l json -d 'Print JSON: everything, in one line'
complete -c corelane -n "__fish_corelane_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_using_subcommand health" -l timeout -d 'After this long without an answer it is not well' -r
complete -c corelane -n "__fish_corelane_using_subcommand health" -s h -l help -d 'Print help'
complete -c corelane -n "__fish_corelane_using_subcommand report" -l hgrm -d 'Where to write the distribution of all together, in HdrHistogram\'s percentile format' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand report" -l compare -d 'Compare the second file with the first'
complete -c corelane -n "__fish_corelane_using_subcommand report" -s h -l help -d 'Print help'
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l config -d 'Where the settings without flag or variable come from' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l listen -d 'Listen here; may be repeated' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l admin -d 'Where to show health, metrics and a live page' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l workers -d 'Worker threads [default: one for each CPU that may be used]' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l pin -d 'Whether each worker stays on its own CPU' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l report -d 'What to print at the end, on standard output' -r -f -a "text\t'Tables for people'
json\t'One line of JSON for programs'
none\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l hgrm -d 'Where to write the distribution of service times at the end' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l log-level -d 'What is logged' -r -f -a "error\t'What failed'
warn\t'What should be looked at'
info\t'What happens seldom'
debug\t'What is of use to developers'
off\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l log-format -d 'How it is logged' -r -f -a "text\t'Words for people'
json\t'An object a line for programs'"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l log-file -d 'Where it is logged [default: standard error]' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l access-log -d 'Where each answer has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l access-log-format -d 'How such a line is written' -r -f -a "combined\t''
json\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l access-log-sample -d 'Of how many answers one has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l root -d 'Serve the files of this directory' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l fallback -d 'What answers where there is no file, such as index.html' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l listing -d 'Whether a directory without index.html is listed' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l precompressed -d 'Whether app.js.br, .zst or .gz answer for app.js' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l head-bytes-max -d 'Bytes of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l fields-max -d 'Fields of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l target-bytes-max -d 'Bytes of a request\'s target; beyond: 414' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l body-bytes-max -d 'Bytes of a request\'s body; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l upload-bytes-max -d 'Bytes of a body taken in pieces; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l memory-max -d 'Memory per worker; beyond: 503 [default: a share]' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l requests-max -d 'Requests on one connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l receive-rate-min -d 'Bytes per second a body must come with; else 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l send-rate-min -d 'Bytes per second an answer must be taken with' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l connections-max -d 'Most per worker [default: from the descriptor limit]' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l connections-full -d 'What newcomers meet at that limit' -r -f -a "pause\t''
refuse\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l connections-soft-max -d 'Then newcomers end idle ones [default: 7/8 of them]' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l connections-per-address-max -d 'Most per worker and address [default: any number]' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l pipelined-max -d 'Pipelined requests of one connection in a row' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l balance -d 'How connections are spread over the workers' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l backlog -d 'Connections the kernel queues for each listener' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l notsent-bytes -d 'Bytes of an answer in the kernel and not yet sent' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l defer-accept -d 'Whether silent connections wait in the kernel' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l busy-poll -d 'How long a worker polls before it sleeps, in µs' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l blocking-queue-max -d 'Jobs that wait for a thread for blocking work' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l head-time -d 'Longest wait for a whole head; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l body-time -d 'Longest wait for a whole body; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l idle-time -d 'Longest wait for the next request of a connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l send-time -d 'Longest wait for a client to take a byte' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l later-time -d 'Longest wait for a promised answer; beyond: 504' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l overload-delay -d 'Longest wait for a busy worker; beyond: 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l overload-interval -d 'How long waits are too long before a 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l lifetime-max -d 'Longest life of a connection, less up to a tenth' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l rate-time -d 'How long a body may come too slowly; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l user-timeout -d 'Longest wait for a client\'s kernel to answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l linger-time -d 'How long to drop late bytes after a closing answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l lame-duck -d 'How long to serve on, not ready, before a drain' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l drain-time -d 'Longest time from the wish to stop to the end' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l drain-idle-time -d 'How long a drain still waits on idle connections' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l stall-time -d 'Longest turn of a worker; a longer one is logged' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l proxy-protocol-from -d 'Peers that begin with a PROXY header' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l trusted-proxies -d 'Peers believed when they say for whom they ask' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l client-address-field -d 'The field they say it in' -r -f -a "forwarded\t''
x-forwarded-for\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l compress -d 'Whether answers are compressed if a client takes it' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l stage-sampling -d 'Of how many requests the stages of one are timed' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l server-timing -d 'Whether answers tell what they took (Server-Timing)' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand routes" -l server-name -d 'Value of the Server field; empty leaves it out' -r
complete -c corelane -n "__fish_corelane_using_subcommand routes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l config -d 'Where the settings without flag or variable come from' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l listen -d 'Listen here; may be repeated' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l admin -d 'Where to show health, metrics and a live page' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l workers -d 'Worker threads [default: one for each CPU that may be used]' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l pin -d 'Whether each worker stays on its own CPU' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l report -d 'What to print at the end, on standard output' -r -f -a "text\t'Tables for people'
json\t'One line of JSON for programs'
none\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l hgrm -d 'Where to write the distribution of service times at the end' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l log-level -d 'What is logged' -r -f -a "error\t'What failed'
warn\t'What should be looked at'
info\t'What happens seldom'
debug\t'What is of use to developers'
off\t'Nothing'"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l log-format -d 'How it is logged' -r -f -a "text\t'Words for people'
json\t'An object a line for programs'"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l log-file -d 'Where it is logged [default: standard error]' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l access-log -d 'Where each answer has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l access-log-format -d 'How such a line is written' -r -f -a "combined\t''
json\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l access-log-sample -d 'Of how many answers one has a line' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l root -d 'Serve the files of this directory' -r -F
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l fallback -d 'What answers where there is no file, such as index.html' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l listing -d 'Whether a directory without index.html is listed' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l precompressed -d 'Whether app.js.br, .zst or .gz answer for app.js' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l head-bytes-max -d 'Bytes of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l fields-max -d 'Fields of a request\'s head; beyond: 431' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l target-bytes-max -d 'Bytes of a request\'s target; beyond: 414' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l body-bytes-max -d 'Bytes of a request\'s body; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l upload-bytes-max -d 'Bytes of a body taken in pieces; beyond: 413' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l memory-max -d 'Memory per worker; beyond: 503 [default: a share]' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l requests-max -d 'Requests on one connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l receive-rate-min -d 'Bytes per second a body must come with; else 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l send-rate-min -d 'Bytes per second an answer must be taken with' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l connections-max -d 'Most per worker [default: from the descriptor limit]' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l connections-full -d 'What newcomers meet at that limit' -r -f -a "pause\t''
refuse\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l connections-soft-max -d 'Then newcomers end idle ones [default: 7/8 of them]' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l connections-per-address-max -d 'Most per worker and address [default: any number]' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l pipelined-max -d 'Pipelined requests of one connection in a row' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l balance -d 'How connections are spread over the workers' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l backlog -d 'Connections the kernel queues for each listener' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l notsent-bytes -d 'Bytes of an answer in the kernel and not yet sent' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l defer-accept -d 'Whether silent connections wait in the kernel' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l busy-poll -d 'How long a worker polls before it sleeps, in µs' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l blocking-queue-max -d 'Jobs that wait for a thread for blocking work' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l head-time -d 'Longest wait for a whole head; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l body-time -d 'Longest wait for a whole body; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l idle-time -d 'Longest wait for the next request of a connection' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l send-time -d 'Longest wait for a client to take a byte' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l later-time -d 'Longest wait for a promised answer; beyond: 504' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l overload-delay -d 'Longest wait for a busy worker; beyond: 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l overload-interval -d 'How long waits are too long before a 503' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l lifetime-max -d 'Longest life of a connection, less up to a tenth' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l rate-time -d 'How long a body may come too slowly; beyond: 408' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l user-timeout -d 'Longest wait for a client\'s kernel to answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l linger-time -d 'How long to drop late bytes after a closing answer' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l lame-duck -d 'How long to serve on, not ready, before a drain' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l drain-time -d 'Longest time from the wish to stop to the end' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l drain-idle-time -d 'How long a drain still waits on idle connections' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l stall-time -d 'Longest turn of a worker; a longer one is logged' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l proxy-protocol-from -d 'Peers that begin with a PROXY header' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l trusted-proxies -d 'Peers believed when they say for whom they ask' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l client-address-field -d 'The field they say it in' -r -f -a "forwarded\t''
x-forwarded-for\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l compress -d 'Whether answers are compressed if a client takes it' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l stage-sampling -d 'Of how many requests the stages of one are timed' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l server-timing -d 'Whether answers tell what they took (Server-Timing)' -r -f -a "on\t''
off\t''"
complete -c corelane -n "__fish_corelane_using_subcommand serve" -l server-name -d 'Value of the Server field; empty leaves it out' -r
complete -c corelane -n "__fish_corelane_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c corelane -n "__fish_corelane_using_subcommand upgrade" -l time -d 'How long to wait for the new program to serve' -r
complete -c corelane -n "__fish_corelane_using_subcommand upgrade" -s h -l help -d 'Print help'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "bench" -d 'Measure a server: rates and latencies that can be trusted'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "config" -d 'Check or print the configuration'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "doctor" -d 'Look at the machine: what of it costs connections or latency, and what to do'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "health" -d 'Ask a server whether it is well'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "report" -d 'Put recorded latencies together, or compare them'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "routes" -d 'Print the routes that would be served: method, path, what answers, hooks in order'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "serve" -d 'Serve until told to stop (what `corelane` alone does too)'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "upgrade" -d 'Have a running server replaced by the program as it is installed now'
complete -c corelane -n "__fish_corelane_using_subcommand help; and not __fish_seen_subcommand_from bench config doctor health report routes serve upgrade help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c corelane -n "__fish_corelane_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Say whether `serve` with these flags could start; binds nothing'
complete -c corelane -n "__fish_corelane_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "default" -d 'Print a file with every key, its default and why'
complete -c corelane -n "__fish_corelane_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "print" -d 'Print what is in force with these flags, and where each value comes from'
