// Backfill Coordinator Health: does every lease get its work done?
local dashboard_for = import 'lib/dashboard.libsonnet';
local panels = import 'lib/panels.libsonnet';
local promql_for = import 'lib/promql.libsonnet';
local schema = import 'lib/schema.libsonnet';

local lease_family = 'backfill_completion_ratio';
local lease_legend = '{{lease_key}} {{drill}}';

function(config) {
  local promql = promql_for(config),
  local dashboard = dashboard_for(config),
  local variables = schema.domain_labels + ['limiter'],
  local narrowed(name) = dashboard.family_matchers(variables, name),
  local window = '$__rate_interval',
  local leases = narrowed(lease_family),
  local none = 'or vector(0)',
  local count(expr) = 'count by (%s) (\n%s) %s' % [promql.by([]), expr, none],
  local by = promql.lease.by,

  local live = promql.lease.recorded(leases),
  local in_progress = promql.lease.in_progress(live),
  local ended = '%s\nunless\n%s' % [promql.lease.ratio(leases), in_progress],

  local number(title, description, expr, bad) = panels.stat({
    title: title,
    description: description,
    unit: 'short',
    decimals: 0,
    thresholds: if bad == null then [['blue']] else [['green'], [bad, 1]],
    queries: [panels.range(count(expr), title)],
    w: 6,
    h: 4,
  }),

  local under = promql.lease.under(live, leases),
  local firing = 'ALERTS{alertname="SeamlessBackfillStuckLease", alertstate="firing"%s}' % std.join('', [', ' + m for m in leases]),

  // The alert keeps per lease since when it has been under the ratio; the command is built from the
  // node, so that it can be copied from the row.
  local stuck_leases = panels.table({
    title: 'Stuck leases',
    description: |||
      Leases that SeamlessBackfillStuckLease pages about: under %g %% for %s. The command recovers the stuck leases of
      that node after asking; it reads their tokens from the coordinator. Empty is good.
    ||| % [config.stuck_ratio * 100, config.stuck_for],
    unit: 'short',
    no_value: 'none',
    sort: 'Completion',
    queries: [
      panels.table_of(|||
        label_replace(
          max by (%(by)s) (backfill_completion_ratio%(braces)s) and on (%(by)s) %(firing)s,
          "command", "lease-recover --stuck --node '$1'", "node_id", "(.*)"
        )
      ||| % { by: by, braces: promql.braces(leases), firing: firing }),
      panels.table_of(|||
        label_replace(
          1000 * max by (%(by)s) (ALERTS_FOR_STATE{alertname="SeamlessBackfillStuckLease"%(more)s}) and on (%(by)s) %(firing)s,
          "command", "lease-recover --stuck --node '$1'", "node_id", "(.*)"
        )
      ||| % { by: by, more: std.join('', [', ' + m for m in leases]), firing: firing }),
    ],
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: { lease_key: 0, node_id: 1, interval: 2, 'Value #A': 3, 'Value #B': 4, command: 5, drill: 6 },
          renameByName: {
            lease_key: 'Lease key',
            node_id: 'Node',
            interval: 'Interval',
            'Value #A': 'Completion',
            'Value #B': 'Under %g %% since' % (config.stuck_ratio * 100),
            command: 'Recover with',
            drill: 'Drill',
          },
        },
      },
    ],
    overrides: [
      panels.column('Completion', { unit: 'percentunit', 'custom.width': 110 }),
      panels.column('Under %g %% since' % (config.stuck_ratio * 100), { unit: 'dateTimeAsIso', 'custom.width': 180 }),
      panels.column('Interval', { 'custom.width': 80 }),
      panels.column('Recover with', { 'custom.inspect': true }),
    ],
    w: 24,
    h: 7,
  }),

  local completion = panels.timeseries({
    title: 'Completion per lease',
    description: |||
      How far each lease that is not history has come, as the furthest worker reports it. A lease under the dashed line
      (%g %%) for %s is stuck.
    ||| % [config.stuck_ratio * 100, config.stuck_for],
    unit: 'percentunit',
    min: 0,
    max: 1,
    thresholds: [['red'], ['transparent', config.stuck_ratio]],
    queries: [panels.range(live, lease_legend)],
    w: 16,
    h: 9,
  }),

  local lease_counts = panels.timeseries({
    title: 'Leases in progress and ended',
    description: |||
      Leases by state. A worker keeps the gauge of a lease that ended; one that has not changed for %s counts as ended.
    ||| % config.lease_history_after,
    unit: 'short',
    min: 0,
    decimals: 0,
    queries: [
      panels.range(count(in_progress), 'in progress {{drill}}'),
      panels.range(count(ended), 'ended {{drill}}'),
    ],
    w: 8,
    h: 9,
  }),

  local stale_over_time = panels.timeseries({
    title: 'Stale claims detected',
    description: 'Leases under 100 %% that made no progress for %s, whatever worker held them.' % config.stale_claim_window,
    unit: 'short',
    min: 0,
    decimals: 0,
    queries: [panels.range(count(promql.lease.stale(live, leases)), 'stale claims {{drill}}')],
    w: 12,
    h: 8,
  }),

  local gap_repair = panels.timeseries({
    title: 'Gap repair latency: p50, p95, p99',
    description: 'Time taken to heal a missing window. The dashed line is where SeamlessGapRepairSlow fires.',
    unit: 'ms',
    min: 0,
    thresholds: [['transparent'], ['red', config.gap_repair_max_ms]],
    queries: [
      panels.range(promql.quantile(q, 'gap_repair_latency_ms', [], window, narrowed('gap_repair_latency_ms')), 'p%g {{drill}}' % (q * 100))
      for q in [0.99, 0.95, 0.5]
    ],
    w: 12,
    h: 8,
  }),

  local headroom = panels.timeseries({
    title: 'Rate limiter headroom',
    description: 'Tokens left in each shared bucket, as the worker that sees the most reports it. At 0 requests are dropped.',
    unit: 'short',
    min: 0,
    thresholds: [['red'], ['transparent', config.min_tokens]],
    queries: [panels.range(
      'max by (%s) (seamless_rl_tokens_available%s)' % [
        promql.by(['limiter', 'world_id']),
        promql.braces(narrowed('seamless_rl_tokens_available')),
      ],
      '{{limiter}} {{world_id}} {{drill}}'
    )],
    w: 12,
    h: 8,
  }),

  local drops = panels.timeseries({
    title: 'Requests dropped by rate limiters',
    description: 'Requests dropped per second. A burst is what a limiter is for; drops for %s on end fire SeamlessRateLimiterExhausted.' % config.limiter_for,
    unit: 'reqps',
    min: 0,
    queries: [panels.range(
      promql.sum_counter('rate', 'seamless_rl_dropped_total', ['limiter', 'world_id'], window, narrowed('seamless_rl_dropped_total')),
      '{{limiter}} {{world_id}} {{drill}}'
    )],
    w: 12,
    h: 8,
  }),

  dashboard: dashboard.dashboard({
    uid: 'seamless-backfill-health',
    description: 'Does every backfill lease get its work done, and in time?',
    variables: variables,
    choices: [],
    questions: [
      {
        question: 'Is a lease stuck?',
        panels: [
          number('Stuck now', 'Leases under %g %% now; after %s on end they page.' % [config.stuck_ratio * 100, config.stuck_for], under, 'red'),
          number('Stale claims', 'Leases under 100 %% without progress for %s.' % config.stale_claim_window, promql.lease.stale(live, leases), 'orange'),
          number('In progress', 'Leases under 100 % whose ratio is not history.', in_progress, null),
          number('Ended', 'Leases at 100 %%, and those whose ratio has not changed for %s.' % config.lease_history_after, ended, null),
          stuck_leases,
        ],
      },
      { question: 'How do leases progress?', panels: [completion, lease_counts] },
      { question: 'Do claims go stale, and how long do gaps take to heal?', panels: [stale_over_time, gap_repair] },
      { question: 'Do rate limiters hold backfills up?', panels: [headroom, drops] },
    ],
  }),
}
