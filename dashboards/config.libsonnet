// Everything a site may want to change. Values that the schema states come from lib/schema.libsonnet.
// Override with `cargo xtask render --set key=value --out DIR`, or from jsonnet:
//   (import 'seamless-ops/dashboards/mixin.libsonnet') + { _config+:: { total_budget: 120 } }
local schema = import 'lib/schema.libsonnet';

{
  _config+:: {
    // Seconds that 99 % of requests may spend in each phase. Each must be an edge of the histogram's
    // buckets: only then is the share of requests within budget exact.
    storage_wait_budget: schema.phases.storage_wait.budget,
    backfill_wait_budget: schema.phases.backfill_wait.budget,
    live_wait_budget: schema.phases.live_wait.budget,
    total_budget: schema.phases.total.budget,
    // The share of a budget from which a phase counts as approaching it.
    budget_warning_share: schema.budget_warning_share,

    // The objective: this share of requests within the total budget over this window.
    slo_objective: schema.slo_objective,
    slo_window: '%dd' % schema.slo_window_days,
    // Multi-window burn rates (Site Reliability Workbook, chapter 5): an alert fires while the error
    // budget burns this many times too fast over both windows.
    burn_rates: [
      { factor: 14.4, long: '1h', short: '5m', severity: 'critical' },
      { factor: 6, long: '6h', short: '30m', severity: 'critical' },
      { factor: 3, long: '1d', short: '2h', severity: 'warning' },
      { factor: 1, long: '3d', short: '6h', severity: 'warning' },
    ],

    quantile: 0.99,
    quantile_window: '5m',
    degraded_for: '5m',

    stuck_ratio: schema.stuck_ratio,
    stuck_for: '10m',
    stale_claim_window: '15m',
    // A completion ratio that has not changed for this long was left behind by a lease that ended.
    lease_history_after: '6h',

    flag_window: '15m',
    flags_per_window: 20,
    gate_window: '15m',
    gate_answers_per_window: 10,

    min_coverage: schema.min_coverage,
    coverage_for: '10m',
    max_staleness: schema.max_staleness_seconds,
    staleness_for: '5m',

    limiter_for: '5m',
    limiter_window: '5m',
    min_tokens: 1,

    // Rare events: a longer window keeps the quantile defined between two of them.
    slow_window: '15m',
    slow_for: '5m',
    artifact_publish_max_ms: 30000,
    gap_repair_max_ms: 120000,

    collision_window: '1h',

    absent_after: '5m',
    // A family counts as vanished only if it was there within this time.
    absent_lookback: '1d',

    // Labels that every aggregation keeps. `drill` marks synthetic series and must stay first; a site
    // that scrapes several clusters adds its own: ['drill', 'cluster'].
    keep_labels: [schema.drill_label],

    // Whether histograms may be native. A server that does not know them, such as VictoriaMetrics 1.79,
    // refuses expressions with histogram_fraction: leave that half out there.
    native_histograms: true,

    evaluation_interval: '30s',
    long_evaluation_interval: '2m',
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
