// Leases of the backfill coordinator, and the time a gap takes to heal.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local lease = '{{ $labels.lease_key }}',

  local recover =
    'Look at it with `lease-recover --list --node {{ $labels.node_id }}`, then recover it with `lease-recover --stuck --node {{ $labels.node_id }}`.',

  groups: [{
    name: 'seamless-leases',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [{ record: promql.lease.recorded_name, expr: promql.lease.live }],
  }, {
    name: 'seamless-backfill',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [
      alerts.alert({
        name: 'SeamlessBackfillStuckLease',
        severity: 'critical',
        pending: durations.pending(config, config.stuck_for),
        expr: promql.lease.under(promql.lease.live),
        summary: 'Backfill lease of {{ $labels.node_id }} is stuck under %g %%' % (config.stuck_ratio * 100),
        description: |||
          Lease %s (node {{ $labels.node_id }}, interval {{ $labels.interval }}) has stayed under %g %% for %s; it is at
          {{ $value | humanizePercentage }}.
        ||| % [lease, config.stuck_ratio * 100, config.stuck_for],
        detail: recover,
        dashboard: 'backfill',
        variables: ['node_id', 'interval'],
      }),
      alerts.alert({
        name: 'SeamlessBackfillStaleClaim',
        severity: 'warning',
        expr: promql.lease.stale(promql.lease.live),
        summary: 'Backfill lease of {{ $labels.node_id }} has made no progress for %s' % config.stale_claim_window,
        description: |||
          Lease %s (node {{ $labels.node_id }}, interval {{ $labels.interval }}) has stood at {{ $value | humanizePercentage }}
          for %s.
        ||| % [lease, config.stale_claim_window],
        detail: recover,
        dashboard: 'backfill',
        variables: ['node_id', 'interval'],
      }),
      alerts.alert({
        name: 'SeamlessGapRepairSlow',
        severity: 'warning',
        pending: durations.pending(config, config.slow_for),
        expr: promql.any_above(
          promql.quantiles(config.quantile, 'gap_repair_latency_ms', schema.domain_labels, window(config.slow_window)),
          config.gap_repair_max_ms
        ),
        summary: 'Gaps of {{ $labels.node_id }} are repaired slowly',
        description: |||
          The p%g of gap repair for %s is {{ printf "%%.0f" $value }} ms, over %g ms.
        ||| % [config.quantile * 100, alerts.domain, config.gap_repair_max_ms],
        dashboard: 'backfill',
        variables: schema.domain_labels,
      }),
    ],
  }],
}
