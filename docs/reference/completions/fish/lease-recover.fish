complete -c lease-recover -l from-file -d 'File of leases, one KEY:TOKEN or JSON object with key and token per line, # for comments; - reads stdin; repeatable' -r -F
complete -c lease-recover -l from-logs -d 'Log of a worker (JSON lines, logfmt, structlog\'s output; .gz too): leases claimed, and neither completed nor failed since; - reads stdin; repeatable' -r -F
complete -c lease-recover -l max-ratio -d 'Completion under which a lease can be stuck, 0 to 1' -r
complete -c lease-recover -l older-than -d 'How long ago a lease that has not expired must have been claimed to be stuck' -r
complete -c lease-recover -l node -d 'Only leases of this node; repeatable' -r
complete -c lease-recover -l world -d 'Only leases of this world; repeatable' -r
complete -c lease-recover -l action -d 'What a lease becomes' -r -f -a "fail\t'Give it up: another worker may claim the window'
complete\t'Mark the window as done'"
complete -c lease-recover -l reason -d 'Why, for the coordinator\'s log and the audit events' -r
complete -c lease-recover -l concurrency -d 'Requests in flight, 1 to 1024' -r
complete -c lease-recover -l rate -d 'Requests per second; without it, as fast as the coordinator answers' -r
complete -c lease-recover -l max-failures -d 'Stop sending after more than so many leases failed or stayed unknown, as a number or as a percentage of all (5%)' -r
complete -c lease-recover -l journal -d 'File that keeps what was settled; run again with the same file, settled leases are not sent again' -r -F
complete -c lease-recover -s o -l output -d 'Format of the result on stdout; specs are KEY:TOKEN lines, with --list or --dry-run' -r -f -a "text\t'For people'
json\t'One document, complete on every exit path'
specs\t'KEY:TOKEN lines that feed --from-file'"
complete -c lease-recover -l audit-log -d 'Append each outcome as a structured event to this file' -r -F
complete -c lease-recover -l log-format -d 'Format of the log on stderr; json writes each outcome as a structured event' -r -f -a "text\t'For people'
json\t'One JSON object per event'"
complete -c lease-recover -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c lease-recover -l coordinator-url -d 'Base URL of the backfill coordinator, with or without a trailing /v1 [env: QMTL_SEAMLESS_COORDINATOR_URL]' -r
complete -c lease-recover -l config -d 'Configuration file; by default qmtl.yml or qmtl.yaml in the working folder, if there is one' -r -F
complete -c lease-recover -l context -d 'Deployment to work on, as config.yml in ~/.config/seamless-ops or /etc/seamless-ops describes it; goes before the environment\'s URLs [env: SEAMLESS_CONTEXT, which goes after them]' -r
complete -c lease-recover -l timeout -d 'Timeout of one request, from connecting to the last byte' -r
complete -c lease-recover -l deadline -d 'Deadline of the whole run' -r
complete -c lease-recover -l header -d 'Header for the main endpoint, such as \'X-Scope-OrgID: tenant-1\'; repeatable. A prefix ENDPOINT= names another one; an unknown prefix is refused with those there are. An Authorization header replaces what the URL or the environment says' -r
complete -c lease-recover -l bearer-token-file -d 'File whose first line is the bearer token for the main endpoint; a prefix names another, as with --header. It replaces what the URL or the environment says [env: QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE, QMTL_PROMETHEUS_TOKEN_FILE]' -r
complete -c lease-recover -l ca-cert -d 'PEM file of authorities to trust beside those of the system' -r -F
complete -c lease-recover -l client-cert -d 'PEM file of the client\'s certificate, for the main endpoint' -r -F
complete -c lease-recover -l client-key -d 'PEM file of the client certificate\'s key' -r -F
complete -c lease-recover -l stuck -d 'Select stuck leases from the coordinator\'s list: under --max-ratio, and expired or claimed longer than --older-than ago'
complete -c lease-recover -l list -d 'Show the coordinator\'s leases and change nothing; with --stuck only the stuck ones'
complete -c lease-recover -l dry-run -d 'Show what would be done; nothing is changed, and for explicit leases nothing is contacted'
complete -c lease-recover -s y -l yes -d 'Do not ask before recovering what --stuck selected'
complete -c lease-recover -l verify -d 'Afterwards read the coordinator\'s list and confirm that no recovered lease is still held'
complete -c lease-recover -l show-tokens -d 'Show whole tokens, with --output json'
complete -c lease-recover -s q -l quiet -d 'Print the result only when the exit code is not 0, and no progress'
complete -c lease-recover -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lease-recover -s V -l version -d 'Print version'
