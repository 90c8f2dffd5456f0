complete -c inject-sla-violation -l duration -d 'Latency that each synthetic request reports, in seconds or as a duration (not how long the drill runs: --hold) [default: 180]' -r
complete -c inject-sla-violation -l repetitions -d 'Observations per phase and per step [default: 10]' -r
complete -c inject-sla-violation -l phase -d 'Phase to observe; repeatable, by default all' -r -f -a "storage_wait\t''
backfill_wait\t''
live_wait\t''
total\t''"
complete -c inject-sla-violation -l interval -d 'Value of the label interval, in seconds' -r
complete -c inject-sla-violation -l world-id -d 'Value of the label world_id' -r
complete -c inject-sla-violation -l scenario -d 'What goes wrong; repeatable' -r -f -a "sla\t'Requests take longer than their phase\'s budget'
stuck-lease\t'A backfill lease stays under half of its window'
stale-claim\t'A claimed lease makes no progress at all'
conformance\t'Conformance flags and schema warnings surge'
staleness\t'The live feed falls behind'
coverage\t'Less is served than was asked for'
gap-repair\t'Missing windows take long to heal'
rate-limit\t'A rate limiter runs dry, and requests wait for it'
artifact\t'Artifacts are published slowly, and reads return known fingerprints'
domain-gate\t'Domain gates answer HOLD and PARTIAL_FILL'
backfill-failing\t'Backfills fail and are tried again, as in an outage of a vendor'
healthy\t'Nothing: every family moves within its limits'
all\t'Everything at once'"
complete -c inject-sla-violation -l buckets -d 'Buckets of the histograms: those of the schema, or the client library\'s defaults, which a platform has that was not given the schema\'s' -r -f -a "schema\t'The schema\'s'
platform\t'The client library\'s defaults, up to 10'"
complete -c inject-sla-violation -l histograms -d 'Which histograms to expose: native ones need a Prometheus that scrapes them (by protobuf) from --serve; both exposes native ones to such a Prometheus and classic ones to everybody else' -r -f -a "classic\t'Buckets with fixed bounds'
native\t'Native histograms, and no buckets'
both\t'Both, to a Prometheus that scrapes native ones'"
complete -c inject-sla-violation -l nodes -d 'Copies of every series under further node ids' -r
complete -c inject-sla-violation -l worlds -d 'Copies of every series under further world ids' -r
complete -c inject-sla-violation -l seed -d 'Seed of everything random, the drill\'s id included: the same seed gives the same run' -r
complete -c inject-sla-violation -l drill-id -d 'Value of the label drill [default: generated]' -r
complete -c inject-sla-violation -l label -d 'A further label of every series, for routes and rules that ask for one, such as cluster=eu; repeatable' -r
complete -c inject-sla-violation -l write-to -d 'Write the exposition to a file, atomically; - is stdout. With --hold, again with every step, and the file is removed at the end' -r -F
complete -c inject-sla-violation -l serve -d 'Serve /metrics; the default host is 127.0.0.1 (0.0.0.0 or [::] listens everywhere), port 0 picks a free one' -r
complete -c inject-sla-violation -l file-sd -d 'Announce --serve to Prometheus in this file of file-based service discovery; the drill\'s entry is removed at exit, those of other drills stay' -r -F
complete -c inject-sla-violation -l advertise -d 'Address to announce in --file-sd, if Prometheus reaches this machine by another one than that of --serve; the default port is that of --serve' -r
complete -c inject-sla-violation -l push-gateway -d 'Push each step to a Pushgateway, as a group of its own that is deleted at the end' -r
complete -c inject-sla-violation -l remote-write -d 'Send each step by Prometheus remote write' -r
complete -c inject-sla-violation -l hold -d 'How long the drill lasts [default: 60s, or --within with --expect-alert]' -r
complete -c inject-sla-violation -l step -d 'How often counters advance [default: 5s, or half of a shorter --hold]' -r
complete -c inject-sla-violation -l recover-after -d 'Switch to healthy values after this long, so that alerts resolve' -r
complete -c inject-sla-violation -l cleanup -d 'Remove what the drill of this id has left with the given sinks (after a kill -9), and inject nothing' -r
complete -c inject-sla-violation -l expect-alert -d 'Wait until this alert has fired for this drill\'s series, with --alertmanager-url until its receivers were told, and with --recover-after until it has resolved; repeatable; needs --prometheus-url' -r
complete -c inject-sla-violation -l within -d 'Give up on --expect-alert after this long [default: 10m]' -r
complete -c inject-sla-violation -l expect-receiver -d 'Receiver that has to be told of --expect-alert; without it, every receiver that its routes lead to' -r
complete -c inject-sla-violation -l rules -d 'Predict alerts from this file instead of Prometheus\'s loaded rules' -r -F
complete -c inject-sla-violation -l profile -d 'Predict alerts from the shipped rules with these thresholds, where no Prometheus is asked for its own [default: baseline]' -r -f -a "baseline\t''
golden_signals\t''"
complete -c inject-sla-violation -l output -d 'Format of the report' -r -f -a "text\t'For people'
json\t'One JSON document'"
complete -c inject-sla-violation -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c inject-sla-violation -l prometheus-url -d 'Base URL of Prometheus, path prefix included [env: QMTL_PROMETHEUS_URL]' -r
complete -c inject-sla-violation -l alertmanager-url -d 'Base URL of Alertmanager, path prefix included; repeatable for those that work together [env: QMTL_ALERTMANAGER_URL]' -r
complete -c inject-sla-violation -l config -d 'Configuration file; by default qmtl.yml or qmtl.yaml in the working folder, if there is one' -r -F
complete -c inject-sla-violation -l context -d 'Deployment to work on, from config.yml in ~/.config/seamless-ops or /etc/seamless-ops; overrides URLs of the environment [env: SEAMLESS_CONTEXT, which they override]' -r
complete -c inject-sla-violation -l timeout -d 'Timeout of one request, from connecting to the last byte' -r
complete -c inject-sla-violation -l deadline -d 'Deadline of the whole run' -r
complete -c inject-sla-violation -l header -d 'Header for the main endpoint, such as \'X-Scope-OrgID: tenant-1\'; repeatable. A prefix ENDPOINT= names another one; an unknown prefix is refused, and those known are listed. An Authorization header replaces credentials of the URL and the environment' -r
complete -c inject-sla-violation -l bearer-token-file -d 'File whose first line is the bearer token for the main endpoint; a prefix names another, as with --header. It replaces credentials of the URL and the environment [env: QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE, QMTL_PROMETHEUS_TOKEN_FILE]' -r
complete -c inject-sla-violation -l ca-cert -d 'PEM file of authorities to trust beside those of the system' -r -F
complete -c inject-sla-violation -l client-cert -d 'PEM file of the client\'s certificate, for the main endpoint' -r -F
complete -c inject-sla-violation -l client-key -d 'PEM file of the client certificate\'s key' -r -F
complete -c inject-sla-violation -l keep -d 'Leave the file of --write-to at the end of --hold, with the drill\'s last values'
complete -c inject-sla-violation -l yes -d 'Start a drill that should fire a critical alert without asking: whoever is on call gets paged'
complete -c inject-sla-violation -l silence -d 'Mute this drill at every receiver by a silence on its id in Alertmanager, for as long as it lasts; needs --alertmanager-url'
complete -c inject-sla-violation -l dry-run -d 'Print the plan, and write, serve and contact nothing (but read the rules of a given Prometheus and the routes of a given Alertmanager)'
complete -c inject-sla-violation -s q -l quiet -d 'Print the result only when the exit code is not 0, and no progress'
complete -c inject-sla-violation -s v -l verbose -d 'Show each request on stderr, with its status, attempt and time'
complete -c inject-sla-violation -s h -l help -d 'Print help (see more with \'--help\')'
complete -c inject-sla-violation -s V -l version -d 'Print version'
