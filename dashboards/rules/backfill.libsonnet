// Leases of the backfill coordinator, backfills that fail, and the time a gap takes to heal.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

local gauge = 'backfill_completion_ratio';
local repairs = 'gap_repair_latency_ms';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local names = promql.lease,
  local by_key = names.by_key,
  local kept = promql.by([]),

  // The key in single quotes, as a shell takes it whole.
  local quoted = "'{{ reReplaceAll \"'\" \"'\\\\''\" $labels.lease_key }}'",
  local recover(older_than, max_ratio) =
    'Recover it with `lease-recover --stuck --key %s --older-than %s --max-ratio %g`.'
    % [quoted, older_than, max_ratio],
  // A lease without a readable key has no node.
  local where = '{{ with $labels.node_id }} (node {{ . }}, interval {{ $labels.interval }}, world {{ or $labels.world_id "-" }}){{ end }}',
  local lease = 'Lease {{ $labels.lease_key }}' + where,
  local completion = '{{ if ge $value 0.0 }}it is at {{ $value | humanizePercentage }}{{ else }}the list does not say how far it is{{ end }}',
  // Which targets have its gauge: its worker's, for as long as that lives, and a coordinator's that exports it, too.
  local exported = (
    '{{ with printf `count by (job, instance) (%s{lease_key=%%q, drill=%%q})` $labels.lease_key $labels.drill | query }}'
    + 'Its gauge is exported by{{ range $n, $of := . | sortByLabel "instance" }}{{ if $n }},{{ end }} {{ .Labels.instance }} (job {{ .Labels.job }}){{ end }}.'
    + '{{ else }}No target exports its gauge.{{ end }}'
  ) % gauge,

  local leases = {
    name: 'seamless-leases',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [
      { record: names.fresh, expr: 'count by (%s) (%s)' % [kept, names.fresh_list] },
      // Where a list is fresh it alone decides: a lease that ended is not in it, one whose worker was killed is. Where
      // none is, a worker's gauge counts unless history left it behind, or its process works on nothing.
      // max_over_time sees what a scrape saw between two evaluations.
      {
        record: names.ratio,
        expr: names.identified(|||
          min by (%(by_key)s) (
            (seamless_lease_completion_ratio or -1 * seamless_lease_held)
            %(of_fresh_list)s
          )
          or
          max by (%(by_key)s) (
            (max_over_time(%(gauge)s[%(between)s]) or %(gauge)s)
            unless %(unchanged)s
            unless on (%(target)s) backfill_jobs_in_progress == 0
          )
          unless on (%(kept)s) %(fresh)s
        ||| % {
          by_key: by_key,
          of_fresh_list: names.of_fresh_list,
          gauge: gauge,
          between: window(config.evaluation_interval),
          unchanged: names.unchanged,
          target: std.join(', ', ['job', 'instance'] + config.keep_labels),
          kept: kept,
          fresh: names.fresh,
        }),
      },
      {
        record: names.age,
        expr: 'max by (%s) (seamless_lease_age_seconds %s)' % [by_key, names.of_fresh_list],
      },
    ],
  },

  // Hours of every gauge's samples, so rarely. A gap in scraping of up to an hour does not make history young again.
  local history = {
    name: 'seamless-lease-history',
    interval: durations.interval(config, config.long_evaluation_interval),
    rules: [{
      record: names.unchanged,
      expr: |||
        changes(%(gauge)s[%(history)s]) == 0
        and present_over_time(%(gauge)s[%(gap)s] offset %(history)s)
      ||| % { gauge: gauge, history: window(config.lease_history_after), gap: window('1h') },
    }],
  },

  local stuck = alerts.alert({
    name: 'SeamlessBackfillStuckLease',
    severity: 'critical',
    pending: durations.pending(config, config.stuck_for),
    // A lease that was claimed anew starts anew: its age has fallen.
    expr: |||
      %(ratio)s < %(stuck)s
      unless on (%(by_key)s)
      resets(%(age)s[%(window)s]) > 0
    ||| % {
      ratio: names.ratio,
      stuck: promql.number(config.stuck_ratio),
      by_key: by_key,
      age: names.age,
      window: window('2m'),
    },
    summary: 'Backfill lease {{ $labels.lease_key }} is stuck under %g %%' % (config.stuck_ratio * 100),
    description: '%s has stayed under %g %% for %s; %s. %s' % [lease, config.stuck_ratio * 100, config.stuck_for, completion, exported],
    detail: recover(durations.pending(config, config.stuck_for), config.stuck_ratio),
    dashboard: 'backfill',
    variables: ['node_id', 'interval', 'world_id'],
  }),

  local stale = alerts.alert({
    name: 'SeamlessBackfillStaleClaim',
    severity: 'warning',
    expr: |||
      %(ratio)s < 1
      and changes(%(ratio)s[%(window)s]) == 0
      and %(ratio)s offset %(window)s
      unless on (%(by_key)s) %(age)s < %(seconds)s
    ||| % {
      ratio: names.ratio,
      window: window(config.stale_claim_window),
      by_key: by_key,
      age: names.age,
      seconds: promql.number(durations.seconds(window(config.stale_claim_window))),
    },
    summary: 'Backfill lease {{ $labels.lease_key }} has made no progress for %s' % config.stale_claim_window,
    description: '%s has made no progress for %s; %s. %s' % [lease, config.stale_claim_window, completion, exported],
    detail: recover(window(config.stale_claim_window), 1),
    dashboard: 'backfill',
    variables: ['node_id', 'interval', 'world_id'],
  }),

  local per_node = schema.families.backfill_failure_total.labels,
  local failure_window = window(config.backfill_failure_window),
  local failures = {
    record: promql.increase_name('backfill_failure_total', config.backfill_failure_window),
    expr: promql.grown_counter('backfill_failure_total', per_node, failure_window),
  },
  // increase() extrapolates: three failures may read as 2.9.
  local failing = alerts.alert({
    name: 'SeamlessBackfillFailing',
    severity: 'warning',
    expr: |||
      %(failures)s > %(least)s
      unless
      %(repairs)s >= %(failures)s
    ||| % {
      failures: failures.record,
      least: promql.number(config.backfill_failures_per_window - 0.5),
      repairs: promql.counted(repairs, per_node, promql.grown([repairs + '_count'], failure_window), failure_window),
    },
    summary: 'Backfills of {{ $labels.node_id }} fail',
    description: |||
      {{ printf "%%.0f" $value }} backfills of {{ $labels.node_id }}, interval {{ $labels.interval }}, failed within %s,
      and fewer succeeded.
    ||| % config.backfill_failure_window,
    dashboard: 'backfill',
    variables: per_node,
  }),

  local slow = alerts.alert({
    name: 'SeamlessGapRepairSlow',
    severity: 'warning',
    pending: durations.pending(config, config.slow_for),
    expr: promql.above(
      promql.excess(config.quantile, repairs, config.gap_repair_max_ms, schema.domain_labels, window(config.slow_window)), 0
    ),
    summary: 'Gaps of {{ $labels.node_id }} are repaired slowly',
    description: |||
      More than %g %% of the gap repairs for %s take longer than %s%s.
    ||| % [
      promql.allowed_percent,
      alerts.domain,
      durations.text(config.gap_repair_max_ms),
      alerts.quantile_now(config.quantile, repairs, schema.domain_labels, window(config.slow_window)),
    ],
    dashboard: 'backfill',
    variables: schema.domain_labels,
  }),

  groups: [leases, history, {
    name: 'seamless-backfill-failures',
    interval: durations.interval(config, config.domain_evaluation_interval),
    rules: [failures],
  }, {
    name: 'seamless-backfill',
    interval: durations.interval(config, config.domain_evaluation_interval),
    rules: [stuck, stale, failing, slow],
  }],
}
