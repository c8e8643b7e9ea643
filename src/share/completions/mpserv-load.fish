# Completion of mpserv-load for fish.

complete -c mpserv-load -f
complete -c mpserv-load -s w -l workers -x -d 'Use N processes'
complete -c mpserv-load -s s -l seconds -x -d 'Go on for so long'
complete -c mpserv-load -s n -l count -x -d 'Make N connections in all'
complete -c mpserv-load -s r -l rate -x -d 'Begin N connections a second'
complete -c mpserv-load -s k -l keep -x -d 'Make N requests on each connection'
complete -c mpserv-load -s z -l size -x -d 'A request has N bytes'
complete -c mpserv-load -l send -x -d 'Send this text instead'
complete -c mpserv-load -l expect -x -d 'Expect this answer'
complete -c mpserv-load -s i -l idle -x -d 'Hold N more connections open'
complete -c mpserv-load -s t -l timeout -x -d 'A connection may take so long'
complete -c mpserv-load -l reset -d 'Reset connections instead of closing them'
complete -c mpserv-load -s j -l json -d 'Print the report as JSON'
complete -c mpserv-load -s q -l quiet -d 'Print no progress'
complete -c mpserv-load -s h -l help -d 'Show the options'
complete -c mpserv-load -s V -l version -d 'Show the version'
