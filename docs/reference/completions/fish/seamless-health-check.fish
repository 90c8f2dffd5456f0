complete -c seamless-health-check -l prometheus-metric -d 'Metric to require instead of the schema\'s required ones; repeatable' -r
complete -c seamless-health-check -l max-age -d 'How old the newest sample of a metric may be' -r
complete -c seamless-health-check -l only -d 'Check or group to run, with the checks it depends on; repeatable' -r
complete -c seamless-health-check -l skip -d 'Check or group to leave out; repeatable' -r
complete -c seamless-health-check -l budget -d 'Budget of a phase in seconds, instead of the schema\'s; repeatable' -r
complete -c seamless-health-check -l selector -d 'Narrow every query to series with these labels, such as cluster="eu"' -r
complete -c seamless-health-check -l required-env -d 'Environment variable that must be set; repeatable' -r
complete -c seamless-health-check -l coordinator-health-path -d 'Path of the coordinator\'s health endpoint [default: /health, on 404 /healthz]' -r
complete -c seamless-health-check -l metrics-url -d 'URL of an exposition to check against the schema; used exactly as given, query and trailing slash included' -r
complete -c seamless-health-check -l metrics-file -d 'Exposition to check against the schema, from a file; - is stdin' -r -F
complete -c seamless-health-check -l scraper -d 'Prometheus generation whose verdict on the exposition counts [default: that of --prometheus-url, else 3]' -r -f -a "2\t'Before 3.0'
3\t'3.0 and later'"
complete -c seamless-health-check -l logs -d 'Platform log to check for its events: JSON lines, logfmt or structlog\'s output, .gz too; - is stdin' -r -F
complete -c seamless-health-check -l traces -d 'Traces to check for their spans: an OTLP/JSON file, or the base URL of an OTLP/HTTP receiver' -r
complete -c seamless-health-check -l rules -d 'Rule file that should be loaded, instead of the shipped rules; repeatable' -r -F
complete -c seamless-health-check -l profile -d 'Thresholds that the rules were rendered with; by default those that the loaded rules have' -r -f -a "baseline\t''
golden_signals\t''"
complete -c seamless-health-check -l alertmanager-config -d 'Configuration of Alertmanager to judge as if it were loaded' -r -F
complete -c seamless-health-check -l receiver -d 'Receivers that alerts of a severity must reach, such as critical=oncall; repeatable. By default a critical alert must reach pagerduty, opsgenie, victorops, incidentio, pushover or sns' -r
complete -c seamless-health-check -l external-label -d 'Label that Prometheus adds to every alert (external_labels), if it cannot be asked; repeatable' -r
complete -c seamless-health-check -l explain -d 'Explain a check, such as prometheus/present: what it means and what to do; or an alert, by its name: whom it reaches, by which route, and what holds it back' -r
complete -c seamless-health-check -l alertmanager-url -d 'Base URL of an Alertmanager, path prefix included; repeatable [env: QMTL_ALERTMANAGER_URL]' -r
complete -c seamless-health-check -l wait -d 'Retry until the exit code is 0, for at most this long' -r
complete -c seamless-health-check -l interval -d 'Pause between retries of --wait' -r
complete -c seamless-health-check -l fail-on -d 'What makes the exit code 1' -r -f -a "fail\t'A failed check'
warn\t'A failed check or a warning'"
complete -c seamless-health-check -l output -d 'Format of the result, or FORMAT=PATH to write one to a file as well; repeatable. One of text, short, paths, json, junit, nagios, prometheus, github' -r
complete -c seamless-health-check -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c seamless-health-check -l coordinator-url -d 'Base URL of the backfill coordinator, with or without a trailing /v1 [env: QMTL_SEAMLESS_COORDINATOR_URL]' -r
complete -c seamless-health-check -l prometheus-url -d 'Base URL of Prometheus, path prefix included [env: QMTL_PROMETHEUS_URL]' -r
complete -c seamless-health-check -l config -d 'Configuration file; by default qmtl.yml or qmtl.yaml in the working folder, if there is one' -r -F
complete -c seamless-health-check -l context -d 'Deployment to work on, from config.yml in ~/.config/seamless-ops or /etc/seamless-ops; overrides URLs of the environment [env: SEAMLESS_CONTEXT, which they override]' -r
complete -c seamless-health-check -l timeout -d 'Timeout of one request, from connecting to the last byte' -r
complete -c seamless-health-check -l deadline -d 'Deadline of the whole run' -r
complete -c seamless-health-check -l header -d 'Header for the main endpoint, such as \'X-Scope-OrgID: tenant-1\'; repeatable. A prefix ENDPOINT= names another one; an unknown prefix is refused, and those known are listed. An Authorization header replaces credentials of the URL and the environment' -r
complete -c seamless-health-check -l bearer-token-file -d 'File whose first line is the bearer token for the main endpoint; a prefix names another, as with --header. It replaces credentials of the URL and the environment [env: QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE, QMTL_PROMETHEUS_TOKEN_FILE]' -r
complete -c seamless-health-check -l ca-cert -d 'PEM file of authorities to trust beside those of the system' -r -F
complete -c seamless-health-check -l client-cert -d 'PEM file of the client\'s certificate, for the main endpoint' -r -F
complete -c seamless-health-check -l client-key -d 'PEM file of the client certificate\'s key' -r -F
complete -c seamless-health-check -l wait-delivery -d 'If Prometheus scrapes neither itself nor Alertmanager, read their counters of failed notifications twice, some minutes apart'
complete -c seamless-health-check -l list -d 'List the checks instead of running them: what each asks, its worst verdict, and what it needs'
complete -c seamless-health-check -l strict -d 'Exit with 3 if a check was skipped and none failed'
complete -c seamless-health-check -s q -l quiet -d 'Print the result only when the exit code is not 0, and no progress'
complete -c seamless-health-check -s v -l verbose -d 'Show each request on stderr, with its status, attempt and time'
complete -c seamless-health-check -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seamless-health-check -s V -l version -d 'Print version'
