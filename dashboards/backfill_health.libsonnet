// Backfill Coordinator Health: does every lease get its work done?
local dashboard_for = import 'lib/dashboard.libsonnet';
local durations = import 'lib/duration.libsonnet';
local panels = import 'lib/panels.libsonnet';
local promql_for = import 'lib/promql.libsonnet';
local schema = import 'lib/schema.libsonnet';

local gaps = 'gap_repair_latency_ms';
local lease_legend = '{{lease_key}} {{drill}}';

function(config) {
  local promql = promql_for(config),
  local dashboard = dashboard_for(config),
  local variables = dashboard.variables('seamless-backfill-health'),
  local narrowed(name) = dashboard.family_matchers(variables, name),
  local window = '$__rate_interval',
  local rare = panels.rate_over(durations.seconds(config.slow_window)),
  local count(expr) = promql.or_none('count by (%s) (%s)' % [promql.by([]), expr]),

  // Leases are narrowed by what their keys say.
  local leases = dashboard.matchers(variables, promql.lease.identity),
  local ratio = promql.lease.ratio + promql.braces(leases),
  local age = '%s%s' % [promql.lease.age, promql.braces(dashboard.matchers([], []))],
  local under = '%s < %g' % [ratio, config.stuck_ratio],
  local unfinished = '%s < 1' % ratio,
  local of(alertname, state) =
    'ALERTS{alertname="%s", alertstate="%s"%s}' % [alertname, state, std.join('', [', ' + m for m in leases])],
  local stale = of('SeamlessBackfillStaleClaim', 'firing'),

  local number(title, description, expr, bad) = panels.stat({
    title: title,
    description: description,
    unit: 'short',
    decimals: 0,
    no_value: 'rules not loaded',
    thresholds: if bad == null then [['blue']] else [['green'], [bad, 1]],
    queries: [panels.range(expr, title + ' {{drill}}')],
    w: 6,
    h: 4,
  }),

  // What the coordinator holds, or without a fresh list, what the workers' gauges call unfinished.
  local held = |||
    sum by (%(by)s) (seamless_leases{%(drill)s} and on (%(list)s) (%(fresh)s))
    or
    %(gauges)s
  ||| % {
    by: promql.by([]),
    drill: 'drill=~"$drill"',
    list: promql.by(['coordinator', 'instance', 'job']),
    fresh: std.strReplace(
      promql.lease.fresh_list,
      'seamless_leases_listed_timestamp_seconds',
      'seamless_leases_listed_timestamp_seconds{drill=~"$drill"}'
    ),
    gauges: count(unfinished),
  },
  local list_age = 'max by (%s) (time() - seamless_leases_listed_timestamp_seconds{drill=~"$drill"})' % promql.by([]),

  local listed_within = 3 * durations.seconds(config.lease_list_period),
  local list = number(
    'Age of the lease list',
    'Time since the leases were listed, of the coordinator that was listed longest ago. Above %s s its list counts no more, and without any fresh list the gauges of the workers decide.'
    % promql.number(listed_within),
    list_age,
    null
  ) { fieldConfig+: { defaults+: { unit: 's', noValue: 'no list', thresholds+: { steps: [
    { color: 'blue', value: null },
    { color: 'orange', value: listed_within },
  ] } } } },

  local identified = promql.by(promql.lease.identity),
  local firing = of('SeamlessBackfillStuckLease', 'firing'),
  local since = 'Under %g %% since' % (config.stuck_ratio * 100),
  // Quoted for a shell; a key with a quote in it is none that a coordinator gives out.
  local with_command(expr) = |||
    label_replace(
      %(expr)s,
      "command", "lease-recover --stuck --key '$1' --older-than %(older_than)s --max-ratio %(max_ratio)g", "lease_key", "(.*)"
    )
  ||| % { expr: expr, older_than: durations.pending(config, config.stuck_for), max_ratio: config.stuck_ratio },
  local stuck_leases = panels.table({
    title: 'Stuck leases',
    description: |||
      Leases that SeamlessBackfillStuckLease pages about: under %g %% for %s. The command recovers this one lease
      after asking; it reads the token from the coordinator. A completion under 0 is not known. Empty is good.
    ||| % [config.stuck_ratio * 100, config.stuck_for],
    unit: 'short',
    no_value: 'none',
    sort: since,
    descending: false,
    queries: [
      panels.table_of(with_command('max by (%(by)s) (%(ratio)s and on (%(by)s) %(firing)s)' % { by: identified, ratio: ratio, firing: firing })),
      panels.table_of(with_command('1000 * max by (%(by)s) (ALERTS_FOR_STATE{alertname="SeamlessBackfillStuckLease"%(more)s} and on (%(by)s) %(firing)s)' % {
        by: identified,
        more: std.join('', [', ' + m for m in leases]),
        firing: firing,
      })),
    ],
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: { lease_key: 0, node_id: 1, interval: 2, world_id: 3, 'Value #A': 4, 'Value #B': 5, command: 6, drill: 7 },
          renameByName: {
            lease_key: 'Lease key',
            node_id: 'Node',
            interval: 'Interval',
            world_id: 'World',
            'Value #A': 'Completion',
            'Value #B': since,
            command: 'Recover with',
            drill: 'Drill',
          },
        },
      },
    ],
    overrides: [
      panels.column('Completion', {
        unit: 'percentunit',
        'custom.width': 110,
        mappings: panels.value_map([[-1, 'unknown', 'orange']]),
      }),
      panels.column(since, { unit: 'dateTimeAsIso', 'custom.width': 180 }),
      // A key is what the on-call engineer compares: it stands whole.
      panels.column('Lease key', { 'custom.width': 470 }),
      panels.column('Node', { 'custom.width': 230 }),
      panels.column('Interval', { 'custom.width': 80 }),
      panels.column('World', { 'custom.width': 100 }),
      panels.column('Recover with', { 'custom.inspect': true }),
    ],
    w: 24,
    h: 7,
  }),

  local completion = panels.timeseries({
    title: 'Completion per lease',
    description: |||
      The 20 leases with the least progress of those that are unfinished by now, as the coordinator lists them or as their workers report. A lease under
      the dashed line (%g %%) for %s is stuck; %s.
    ||| % [
      config.stuck_ratio * 100,
      config.stuck_for,
      if config.completion_goal == null then 'finished ones are not drawn'
      else 'a sound one ends at %g %% at least' % (config.completion_goal * 100),
    ],
    unit: 'percentunit',
    min: 0,
    max: 1,
    no_value: 'no unfinished lease',
    lowest: true,
    thresholds: [['red'], ['transparent', config.stuck_ratio]]
                + (if config.completion_goal == null then [] else [['green', config.completion_goal]]),
    queries: [panels.range(promql.lowest(promql.lease.identity, '(%s >= 0 < 1)' % ratio), lease_legend)],
    w: 16,
    h: 9,
  }),

  local lease_counts = panels.timeseries({
    title: 'Leases held',
    description: |||
      Leases that the coordinator holds, as listed. Without a fresh list: those that the workers' gauges call unfinished.
    |||,
    unit: 'short',
    min: 0,
    decimals: 0,
    queries: [
      panels.range(held, 'held {{drill}}'),
      panels.range(count(under), 'under %g %% {{drill}}' % (config.stuck_ratio * 100)),
    ],
    w: 8,
    h: 9,
  }),

  local stale_over_time = panels.timeseries({
    title: 'Stale claims detected',
    description: 'Leases under 100 %% that made no progress for %s: SeamlessBackfillStaleClaim fires for each.' % config.stale_claim_window,
    unit: 'short',
    min: 0,
    decimals: 0,
    queries: [panels.range(count(stale), 'stale claims {{drill}}')],
    w: 12,
    h: 9,
  }),

  local backfills = panels.timeseries({
    title: 'Backfills failed and tried again',
    description: |||
      Per %s and node. More than %g failures, and fewer successes than failures, fire SeamlessBackfillFailing: an
      outage of a vendor shows here first.
    ||| % [config.backfill_failure_window, config.backfill_failures_per_window - 1],
    unit: 'short',
    min: 0,
    decimals: 0,
    no_value: 'none counted',
    queries: [
      panels.range(
        promql.increase_name('backfill_failure_total', config.backfill_failure_window) + promql.braces(narrowed('backfill_failure_total')),
        'failed {{node_id}} {{interval}} {{drill}}'
      ),
      panels.range(
        promql.grown_counter('backfill_retry_total', ['node_id', 'interval'], config.backfill_failure_window, narrowed('backfill_retry_total')),
        'retried {{node_id}} {{interval}} {{drill}}'
      ),
    ],
    w: 8,
    h: 8,
  }),

  local jobs = panels.timeseries({
    title: 'Backfills in progress',
    description: 'Backfills that each process works on. 0 is certain; a cancelled backfill is never counted down.',
    unit: 'short',
    min: 0,
    decimals: 0,
    queries: [panels.range(
      'max by (%s) (backfill_jobs_in_progress{drill=~"$drill"})' % promql.by(['instance']), '{{instance}} {{drill}}'
    )],
    w: 8,
    h: 8,
  }),

  local newest = panels.timeseries({
    title: 'Newest bar written by a backfill',
    description: 'Age of the newest bar that the last backfill of each node has written: a window of history makes it as old as that. Where the line climbs, no backfill succeeds.',
    no_value: 'no backfill has succeeded yet',
    unit: 's',
    queries: [panels.range(
      'min by (%s) (time() - backfill_last_timestamp%s)' % [
        promql.by(['node_id', 'interval']),
        promql.braces(narrowed('backfill_last_timestamp')),
      ],
      '{{node_id}} {{interval}} {{drill}}'
    )],
    w: 8,
    h: 8,
  }),

  local gap_repair = panels.timeseries({
    title: 'Gap repair latency: p50, p95, p99',
    no_value: 'no gap repaired',
    description: 'Time taken to heal a missing window, over %s at least. The dashed line is where SeamlessGapRepairSlow fires; points mark a p99 at the top bucket: it is at least that.' % config.slow_window,
    unit: 'ms',
    min: 0,
    thresholds: [['transparent'], ['red', config.gap_repair_max_ms]],
    queries: [
      panels.range(promql.bound_named(promql.quantile(0.99, gaps, [], window, narrowed(gaps)), gaps), 'p99 {{bound}} {{drill}}') + rare,
    ] + [
      panels.range(promql.quantile(q, gaps, [], window, narrowed(gaps)), 'p%g {{drill}}' % (q * 100)) + rare
      for q in [0.95, 0.5]
    ],
    limit: config.gap_repair_max_ms,
    overrides: [panels.top_mark],
    w: 12,
    h: 9,
  }),

  local headroom = panels.timeseries({
    title: 'Rate limiter headroom',
    description: 'Tokens left in each shared bucket after the last request, as the worker that saw the most reports it. It moves only with a request.',
    unit: 'short',
    min: 0,
    lowest: true,
    decimals: 1,
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
    title: 'Rate limiter polls that got no token',
    description: 'How often waiting requests polled a limiter that had no token; each was served in the end. Polls for %s on end fire SeamlessRateLimiterExhausted.' % config.limiter_for,
    unit: 'reqps',
    min: 0,
    no_value: 'no poll without a token',
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
    choices: [],
    questions: [
      {
        question: 'Is a lease stuck?',
        panels: [
          number('Stuck now', 'Leases that are under %g %% for %s: SeamlessBackfillStuckLease pages about them.' % [config.stuck_ratio * 100, config.stuck_for], count(firing), 'red'),
          number('Stale claims', 'Leases under 100 %% without progress for %s.' % config.stale_claim_window, count(stale), 'orange'),
          number('Held', 'Leases that the coordinator holds, or that are unfinished where there is no fresh list.', held, null),
          list,
          stuck_leases,
        ],
      },
      { question: 'How do leases progress?', panels: [completion, lease_counts] },
      { question: 'Do claims go stale, and how long do gaps take to heal?', panels: [stale_over_time, gap_repair] },
      { question: 'Do backfills fail?', panels: [backfills, newest, jobs] },
      { question: 'Do rate limiters hold backfills up?', panels: [headroom, drops] },
    ],
  }),
}
