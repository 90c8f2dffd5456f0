complete -c lease-recover -l from-file -d 'File of leases, one KEY:TOKEN or JSON object with key and token per line, # for comments; - reads stdin; repeatable' -r -F
complete -c lease-recover -l from-logs -d 'Select from a worker\'s log (JSON lines, logfmt, structlog\'s output; .gz too): leases claimed, neither completed nor failed since, and stuck by the coordinator\'s list. Where the coordinator has no list, --yes takes them unchecked. - reads stdin; repeatable' -r -F
complete -c lease-recover -l watch -d 'With --list: refresh the list at this interval, until Ctrl-C or another signal' -r
complete -c lease-recover -l max-ratio -d 'Only leases less complete than this count as stuck, 0 to 1 [default: 0.5]' -r
complete -c lease-recover -l older-than -d 'Only leases claimed longer ago than this count as stuck; that a lease has expired proves nothing, since workers do not renew [default: 10m]' -r
complete -c lease-recover -l key -d 'Only the lease with exactly this key; it is taken even if the coordinator lists neither its completion nor when it was claimed; repeatable' -r
complete -c lease-recover -l node -d 'Only leases of exactly this node id, colons included; repeatable' -r
complete -c lease-recover -l world -d 'Only leases of this world, \'\' for leases without one; repeatable' -r
complete -c lease-recover -l worker -d 'Only leases that the coordinator lists as held by this worker; repeatable' -r
complete -c lease-recover -l interval -d 'Only leases of bars of this length, in seconds; repeatable' -r
complete -c lease-recover -l window -d 'Only leases whose window overlaps this one; times as 2024-01-01T00:00:00Z or seconds since 1970' -r
complete -c lease-recover -l limit -d 'At most N leases, the oldest first' -r
complete -c lease-recover -l action -d 'What a lease becomes' -r -f -a "fail\t'Give it up: another worker may claim the window'
complete\t'Mark the window as done'"
complete -c lease-recover -l reason -d 'Why, for the coordinator\'s log and the audit events' -r
complete -c lease-recover -l concurrency -d 'Requests in flight, 1 to 1024' -r
complete -c lease-recover -l rate -d 'Requests per second; without it, as fast as the coordinator answers' -r
complete -c lease-recover -l batch -d 'Send one lease first, then N at a time; stop after a batch with a failed or unknown outcome' -r
complete -c lease-recover -l pause -d 'Wait this long between batches' -r
complete -c lease-recover -l max-failures -d 'Stop after more than N (or N%) failed or unknown outcomes' -r
complete -c lease-recover -l journal -d 'Record outcomes here; rerun with the same file to resume' -r -F
complete -c lease-recover -l verify-within -d 'Give up on --verify after this long' -r
complete -c lease-recover -l await-reclaim -d 'After --verify wait up to this long for other workers to claim the windows; exit with 1 if they have not. A window that nobody requests is not claimed again' -r
complete -c lease-recover -s o -l output -d 'Format of the result on stdout: text, json, specs (KEY:TOKEN lines, with --list or --dry-run), or with --list prometheus, prometheus=FILE (replaced whole, for a textfile collector)' -r
complete -c lease-recover -l push-gateway -d 'With --output prometheus: push the list to this Pushgateway instead' -r
complete -c lease-recover -l audit-log -d 'Append each outcome as a structured event to this file' -r -F
complete -c lease-recover -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c lease-recover -l coordinator-url -d 'Base URL of the backfill coordinator, with or without a trailing /v1 [env: QMTL_SEAMLESS_COORDINATOR_URL]' -r
complete -c lease-recover -l config -d 'Configuration file; by default qmtl.yml or qmtl.yaml in the working folder, if there is one' -r -F
complete -c lease-recover -l context -d 'Deployment to work on, from config.yml in ~/.config/seamless-ops or /etc/seamless-ops; overrides URLs of the environment [env: SEAMLESS_CONTEXT, which they override]' -r
complete -c lease-recover -l timeout -d 'Timeout of one request, from connecting to the last byte' -r
complete -c lease-recover -l deadline -d 'Deadline of the whole run' -r
complete -c lease-recover -l header -d 'Header for the main endpoint, such as \'X-Scope-OrgID: tenant-1\'; repeatable. A prefix ENDPOINT= names another one; an unknown prefix is refused, and those known are listed. An Authorization header replaces credentials of the URL and the environment' -r
complete -c lease-recover -l bearer-token-file -d 'File whose first line is the bearer token for the main endpoint; a prefix names another, as with --header. It replaces credentials of the URL and the environment [env: QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE, QMTL_PROMETHEUS_TOKEN_FILE]' -r
complete -c lease-recover -l ca-cert -d 'PEM file of authorities to trust beside those of the system' -r -F
complete -c lease-recover -l client-cert -d 'PEM file of the client\'s certificate, for the main endpoint' -r -F
complete -c lease-recover -l client-key -d 'PEM file of the client certificate\'s key' -r -F
complete -c lease-recover -l stuck -d 'Recover stuck leases: completion below --max-ratio and claimed longer than --older-than ago'
complete -c lease-recover -l list -d 'Show the coordinator\'s leases and change nothing; with --stuck only the stuck ones'
complete -c lease-recover -l fail-if-none -d 'Exit with 1 if no lease matches; without this option that is 0'
complete -c lease-recover -l dry-run -d 'Show what would be done; nothing is changed or written, and for explicit leases nothing is contacted'
complete -c lease-recover -s y -l yes -d 'Do not ask before recovering what --stuck or --from-logs selected'
complete -c lease-recover -l verify -d 'Afterwards read the coordinator\'s list until no recovered lease is held any more'
complete -c lease-recover -l show-tokens -d 'Show whole tokens, with --output json'
complete -c lease-recover -s q -l quiet -d 'Print the result only when the exit code is not 0, and no progress'
complete -c lease-recover -s v -l verbose -d 'Show each request on stderr, with its status, attempt and time'
complete -c lease-recover -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lease-recover -s V -l version -d 'Print version'
