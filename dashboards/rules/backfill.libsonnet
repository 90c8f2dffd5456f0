// Leases of the backfill coordinator, and the time a gap takes to heal.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local stuck = promql.number(config.stuck_ratio),
  local history = window(config.lease_history_after),
  // How long a series may have been missed by scraping when its age is looked at.
  local gap = window('1h'),
  local live = std.stripChars(promql.lease.live(history, gap), '\n'),
  local lease = '{{ $labels.lease_key }}',

  local recover =
    'Look at it with `lease-recover --list --node {{ $labels.node_id }}`, then recover it with `lease-recover --stuck --node {{ $labels.node_id }}`.',

  groups: [{
    name: 'seamless-backfill',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [
      alerts.alert({
        name: 'SeamlessBackfillStuckLease',
        severity: 'critical',
        pending: durations.pending(config, config.stuck_for),
        // The right side sees what happened between two evaluations: a lease that reached the ratio
        // there, if only for one scrape, starts anew.
        expr: |||
          (
          %(live)s
          ) < %(stuck)s
          unless
          %(reached)s >= %(stuck)s
        ||| % {
          live: live,
          stuck: stuck,
          reached: promql.lease.highest(window(config.evaluation_interval)),
        },
        summary: 'Backfill lease of {{ $labels.node_id }} is stuck at {{ $value | humanizePercentage }}',
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
        // No worker's value moved, and the lease is no further than it was: a lease that changes
        // hands and goes on from a higher ratio has made progress.
        expr: |||
          (
          %(live)s
          ) < 1
          and
          %(changes)s == 0
          unless
          %(now)s > %(before)s
          and
          %(before)s
        ||| % {
          live: live,
          changes: promql.lease.changes(window(config.stale_claim_window)),
          now: 'max by (%s) (backfill_completion_ratio)' % promql.lease.by,
          before: promql.lease.before(window(config.stale_claim_window)),
        },
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
