// Everything a site may want to change. Values that the schema states come from lib/schema.libsonnet.
// Override with `cargo xtask render --set key=value --out DIR`, or from jsonnet:
//   (import 'seamless-ops/dashboards/mixin.libsonnet') + { _config+:: { total_budget: 120 } }
local schema = import 'lib/schema.libsonnet';

{
  _config+:: {
    local config = self,

    // A set of limits: `baseline` are the platform's presets, and what `alert_rules.yml` is rendered with;
    // `golden_signals` are the limits of the platform's page of golden signals. A key that is set by itself
    // overrides its profile's.
    profile: 'baseline',
    profiles: {
      baseline: { total_budget: schema.phases.total.budget, flags_per_window: 20, completion_goal: null },
      golden_signals: { total_budget: 240, flags_per_window: 50, completion_goal: 0.9 },
    },

    // Seconds that 99 % of requests may spend in each phase. Each must be an edge of the histogram's
    // buckets: only then is the share of requests within budget exact.
    storage_wait_budget: schema.phases.storage_wait.budget,
    backfill_wait_budget: schema.phases.backfill_wait.budget,
    live_wait_budget: schema.phases.live_wait.budget,
    total_budget: config.profiles[config.profile].total_budget,
    // The share of a budget from which a phase counts as approaching it.
    budget_warning_share: schema.budget_warning_share,

    // The buckets, in seconds, that runtimes may have. A series is judged at the edge that is its budget, or
    // else at the next edge above it. One without such an edge is left out of the error budget; where more
    // than 1 % of its observations lie beyond its top edge, the mean of those decides.
    bucket_layouts: {
      schema: schema.families.seamless_sla_deadline_seconds.buckets,
      // What Prometheus's client libraries use unless told otherwise.
      client_default: schema.client_buckets,
    },

    // The objective: this share of observations of each phase within the phase's budget over this window.
    slo_objective: schema.slo_objective,
    slo_window: '%dd' % schema.slo_window_days,
    // Multi-window burn rates (Site Reliability Workbook, chapter 5): an alert fires while the error
    // budget burns at this many times the sustainable rate over both windows.
    burn_rates: [
      { factor: 14.4, long: '1h', short: '5m', severity: 'critical' },
      { factor: 6, long: '6h', short: '30m', severity: 'critical' },
      { factor: 3, long: '1d', short: '2h', severity: 'warning' },
      { factor: 1, long: '3d', short: '6h', severity: 'warning' },
    ],
    // So many observations over budget in the long window make a burn: a handful of requests is no
    // measure of a pace.
    burn_min_observations: 10,

    quantile: 0.99,
    quantile_window: '5m',
    degraded_for: '5m',

    stuck_ratio: schema.stuck_ratio,
    stuck_for: '10m',
    stale_claim_window: '15m',
    // How often `lease-recover --list --output prometheus` runs. A list older than three such periods
    // says nothing any more.
    lease_list_period: '1m',
    // A completion ratio that has not changed for this long was left behind by a lease that ended.
    lease_history_after: '6h',
    // A line in the panel of completion ratios; null for none. No alert reads it.
    completion_goal: config.profiles[config.profile].completion_goal,

    // This many failed backfills of a node within the window, and more failed than succeeded.
    backfill_failure_window: '15m',
    backfill_failures_per_window: 3,

    // The kinds of flag that mean lost or distorted data. Casts and normalisations of a sound frame are
    // flagged too, on every read.
    flag_types: ['gap', 'non_finite', 'duplicate_ts', 'missing_column', 'invalid_timestamp'],
    flag_window: '15m',
    flags_per_window: config.profiles[config.profile].flags_per_window,
    gate_window: '15m',
    gate_answers_per_window: 10,

    // Coverage is low under this minimum, and at the same time under this share of the domain's best of the
    // last day: what a short request covers at best depends on its length, which no metric tells.
    min_coverage: schema.min_coverage,
    coverage_share_of_best: 0.9,
    coverage_for: '10m',
    // A live bar is stale when it is older than (bars held back + 1) intervals and this many seconds.
    max_staleness: schema.max_staleness_seconds,
    staleness_for: '5m',
    // Bars that the runtime holds back until they are stable.
    bars_held_back: 2,
    // The intervals in use, in seconds, as the label `interval` has them.
    intervals: [1, 5, 10, 15, 30, 60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 28800, 43200, 86400, 259200, 604800],
    // Which domains are live. Empty: those that were within the limit at some time in the last day.
    // Otherwise matchers, such as 'world_id=~"live-.*"'.
    live_selector: '',

    // Requests wait for a limiter that has no tokens and whose drops grow all this time.
    limiter_for: '10m',
    limiter_window: '2m',
    min_tokens: 1,

    // Rare events: a longer window keeps the quantile defined between two of them.
    slow_window: '15m',
    slow_for: '5m',
    artifact_publish_max_ms: 30000,
    gap_repair_max_ms: 120000,

    // `fingerprint_collisions` counts every unchanged read of a window that was read before, which a sound
    // platform does all the time.
    fingerprint_collision_alert: false,
    collision_window: '1h',

    absent_after: '5m',
    // What counts as known: seen within this time.
    lookback: '1d',

    // How long notifications may fail, and over which window failures are counted.
    notifications_window: '5m',
    // How often the health check runs, and what its CronJob is called.
    health_check_period: '5m',
    health_check_cronjob: 'seamless-health-check',
    health_check_failing_for: '15m',

    // Labels that every aggregation keeps. `drill` marks synthetic series and must stay first; a site
    // that scrapes several clusters adds its own: ['drill', 'cluster'].
    keep_labels: [schema.drill_label],

    // Whether histograms may be native. A server that does not know them, such as VictoriaMetrics 1.79,
    // refuses expressions with histogram_fraction: leave that half out there.
    native_histograms: true,

    evaluation_interval: '30s',
    // Of the rules that read several series of every domain over minutes.
    domain_evaluation_interval: '1m',
    long_evaluation_interval: '2m',
    // Of the rules that look back a day.
    day_evaluation_interval: '5m',
    // Multiplies every window, `for` and interval, so that a drill runs these rules in minutes.
    time_scale: 1,
    // No window shrinks below this: a range needs at least two scrapes to have a rate.
    min_range: '10s',

    // Where the runbook and Grafana are served; both end up in every alert's annotations.
    runbook_url: 'https://example.com/seamless-ops/docs/runbook.md',
    grafana_url: 'https://grafana.example.com',

    // Dashboards.
    datasource_regex: '',
    dashboard_tags: ['seamless'],
    dashboard_refresh: '30s',
    dashboard_from: 'now-3h',
    dashboard_timezone: 'browser',
  },
}
