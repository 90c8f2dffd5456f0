// Seamless SLA Overview: are requests served in time, from complete and fresh data?
local dashboard_for = import 'lib/dashboard.libsonnet';
local durations = import 'lib/duration.libsonnet';
local panels = import 'lib/panels.libsonnet';
local promql_for = import 'lib/promql.libsonnet';
local schema = import 'lib/schema.libsonnet';

local family = 'seamless_sla_deadline_seconds';
local phase_titles = {
  total: 'Whole request',
  storage_wait: 'Storage wait',
  backfill_wait: 'Backfill wait',
  live_wait: 'Live wait',
};
// The whole request first: it is what the objective is about.
local phases = ['total'] + [phase for phase in schema.phase_order if phase != 'total'];
local domain_legend = '{{node_id}} {{interval}} {{world_id}} {{drill}}';

function(config) {
  local promql = promql_for(config),
  local dashboard = dashboard_for(config),
  local variables = schema.domain_labels,
  local narrowed(name) = dashboard.family_matchers(variables, name),
  local window = '$__rate_interval',
  local budget(phase) = config[phase + '_budget'],
  local error_budget = promql.number(promql.error_budget),
  local ratio(logical) = 'seamless:sla_error:ratio_rate%s{drill=~"$drill"}' % logical,
  local budget_steps(budget) = [['green'], ['orange', budget * config.budget_warning_share], ['red', budget]],

  local error_budget_left = panels.gauge({
    title: 'Error budget left',
    description: |||
      Share of the error budget of the last %s that is still unspent: %g %% of requests may miss the total budget of
      %g s. Below zero the objective is missed. Needs the recording rules, and %s of retention to be exact.
    ||| % [config.slo_window, (1 - config.slo_objective) * 100, config.total_budget, config.slo_window],
    unit: 'percentunit',
    decimals: 1,
    min: 0,
    max: 1,
    thresholds: [['red'], ['orange', 0.25], ['green', 0.5]],
    queries: [panels.instant('1 - %s / %s' % [ratio(config.slo_window), error_budget], 'left {{drill}}')],
    w: 5,
    h: 7,
  }),

  local burn_now = panels.stat({
    title: 'Burn rate, 1h',
    description: |||
      How many times too fast the error budget burns over the last hour. At 1 it lasts exactly %s; from 14.4 an
      alert pages.
    ||| % config.slo_window,
    unit: 'suffix:x',
    decimals: 1,
    thresholds: [['green'], ['orange', 1], ['red', 6]],
    queries: [panels.range('%s / %s' % [ratio('1h'), error_budget], '{{drill}}')],
    w: 4,
    h: 7,
  }),

  local worst_phase = panels.bargauge({
    title: 'p99 of its budget',
    description: |||
      The p99 of each phase as a share of its budget. At 100 % the phase is over it; five minutes of that fire
      SeamlessSla99thDegraded.
    |||,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1.5,
    thresholds: [['green'], ['orange', config.budget_warning_share], ['red', 1]],
    queries: [
      panels.instant(
        '(%s) / %s' % [
          promql.quantile(config.quantile, family, [], window, ['phase="%s"' % phase] + narrowed(family)),
          promql.number(budget(phase)),
        ],
        '%s {{drill}}' % phase
      )
      for phase in phases
    ],
    w: 7,
    h: 7,
  }),

  local firing = panels.table({
    title: 'Alerts firing',
    description: 'Every Seamless alert that fires now, the urgent ones first. Empty is good.',
    unit: 'short',
    no_value: 'none',
    sort: 'Severity',
    queries: [panels.table_of(
      'sum by (alertname, severity, phase, node_id, drill) (ALERTS{alertname=~"Seamless.+", alertstate="firing", severity!="none", drill=~"$drill"})'
    )],
    transformations: [
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: { severity: 0, alertname: 1, phase: 2, node_id: 3, drill: 4, Value: 5 },
          renameByName: { severity: 'Severity', alertname: 'Alert', phase: 'Phase', node_id: 'Node', drill: 'Drill', Value: 'Count' },
        },
      },
    ],
    overrides: [
      panels.column('Severity', {
        mappings: panels.value_map([['critical', 'critical', 'red'], ['warning', 'warning', 'orange']]),
        'custom.cellOptions': { type: 'color-background', mode: 'basic' },
        'custom.width': 90,
      }),
      panels.column('Count', { 'custom.width': 70 }),
    ],
    w: 8,
    h: 7,
  }),

  local phase_panels(phase) =
    local matchers = ['phase="%s"' % phase] + narrowed(family);
    [
      panels.timeseries({
        title: '%s: p50, p95, p99' % phase_titles[phase],
        description: |||
          Quantiles of phase %s over all selected nodes. The dashed lines are %g %% of its budget and the budget, %g s.
        ||| % [phase, config.budget_warning_share * 100, budget(phase)],
        unit: 's',
        min: 0,
        thresholds: [
          ['transparent'],
          ['orange', budget(phase) * config.budget_warning_share],
          ['red', budget(phase)],
        ],
        queries: [
          panels.range(promql.quantile(q, family, [], window, matchers), 'p%g {{drill}}' % (q * 100))
          for q in [0.99, 0.95, 0.5]
        ],
        w: 14,
        h: 8,
      }),
      panels.heatmap({
        title: '%s: distribution' % phase_titles[phase],
        description: 'Requests per bucket of phase %s: how many took how long. Shows the slow few that a quantile hides.' % phase,
        unit: 's',
        queries: [panels.buckets(promql.distribution(family, window, matchers))],
        w: 10,
        h: 8,
      }),
    ],

  local domain_panel(phase) =
    local name = schema.phases[phase].domain_family;
    panels.timeseries({
      title: '%s per domain' % phase_titles[phase],
      description: |||
        The chosen percentile of %s for each node, interval and world: which domain makes phase %s slow. The dashed
        lines are %g %% of the budget and the budget, %g s.
      ||| % [name, phase, config.budget_warning_share * 100, budget(phase)],
      unit: 'ms',
      min: 0,
      thresholds: [
        ['transparent'],
        ['orange', budget(phase) * 1000 * config.budget_warning_share],
        ['red', budget(phase) * 1000],
      ],
      queries: [panels.range(
        promql.quantile('$percentile', name, schema.domain_labels, window, narrowed(name)), domain_legend
      )],
      w: 12,
      h: 8,
    }),

  local burn_rates = panels.timeseries({
    title: 'Burn rate',
    description: |||
      How many times too fast the error budget burns, per window. An alert needs a long window and its short one
      over the same line: %s.
    ||| % std.join(', ', ['%gx over %s and %s' % [r.factor, r.long, r.short] for r in config.burn_rates]),
    unit: 'suffix:x',
    min: 0,
    thresholds: [['transparent']] + [
      [if rate.severity == 'critical' then 'red' else 'orange', rate.factor]
      for rate in std.reverse(config.burn_rates)
    ],
    queries: [
      panels.range('%s / %s' % [ratio(logical), error_budget], '%s {{drill}}' % logical)
      for logical in ['5m', '1h', '6h', '3d']
    ],
    w: 12,
    h: 8,
  }),

  local missed = panels.timeseries({
    title: 'Requests within and over budget',
    description: 'Requests per second that met the total budget of %g s, and those that missed it.' % config.total_budget,
    unit: 'reqps',
    min: 0,
    stack: true,
    queries: [
      panels.range(
        '(%(over)s) * on (%(by)s) (%(all)s)' % {
          over: std.stripChars(promql.share_above(family, config.total_budget, [], window, total_matchers), '\n'),
          by: promql.by([]),
          all: promql.count_rate(family, [], window, total_matchers),
        },
        'over budget {{drill}}'
      ),
      panels.range(
        '(1 - (%(over)s)) * on (%(by)s) (%(all)s)' % {
          over: std.stripChars(promql.share_above(family, config.total_budget, [], window, total_matchers), '\n'),
          by: promql.by([]),
          all: promql.count_rate(family, [], window, total_matchers),
        },
        'within budget {{drill}}'
      ),
    ],
    overrides: [
      { matcher: { id: 'byRegexp', options: '/^over/' }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: 'red' } }] },
      { matcher: { id: 'byRegexp', options: '/^within/' }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: 'green' } }] },
    ],
    w: 12,
    h: 8,
  }),
  local total_matchers = ['phase="total"'] + narrowed(family),

  local coverage = panels.timeseries({
    title: 'Coverage',
    description: 'Share of the requested range that was served, the lowest that any worker reports. The dashed line is the minimum of %g %%.' % (config.min_coverage * 100),
    unit: 'percentunit',
    max: 1,
    thresholds: [['red'], ['transparent', config.min_coverage]],
    queries: [panels.range(
      'min by (%s) (coverage_ratio%s)' % [promql.by(variables), promql.braces(narrowed('coverage_ratio'))], domain_legend
    )],
    w: 12,
    h: 8,
  }),

  local staleness = panels.timeseries({
    title: 'Staleness of live data',
    description: 'Age of the newest bar, the oldest that any worker reports. The dashed line is the maximum of %g s.' % config.max_staleness,
    unit: 's',
    min: 0,
    thresholds: [['transparent'], ['red', config.max_staleness]],
    queries: [panels.range(
      'max by (%s) (live_staleness_seconds%s)' % [promql.by(variables), promql.braces(narrowed('live_staleness_seconds'))],
      domain_legend
    )],
    w: 12,
    h: 8,
  }),

  local held(name, answer, meaning) = panels.timeseries({
    title: '%s by reason' % answer,
    description: '%s, per second and reason. More than %g of one domain within %s fire SeamlessDomainGateHolds.' % [meaning, config.gate_answers_per_window, config.gate_window],
    unit: 'reqps',
    min: 0,
    stack: true,
    queries: [panels.range(promql.sum_counter('rate', name, ['reason'], window, narrowed(name)), '{{reason}} {{drill}}')],
    w: 8,
    h: 8,
  }),

  local alert_states = panels.state_timeline({
    title: 'Alerts',
    description: 'When each Seamless alert was pending or firing, beside the answers that were held back.',
    unit: 'short',
    mappings: panels.value_map([[1, 'pending', 'orange'], [2, 'firing', 'red']]),
    no_value: 'none',
    queries: [panels.range(
      |||
        2 * max by (alertname, drill) (ALERTS{alertname=~"Seamless.+", alertstate="firing", severity!="none", drill=~"$drill"})
        or
        max by (alertname, drill) (ALERTS{alertname=~"Seamless.+", alertstate="pending", drill=~"$drill"})
      |||,
      '{{alertname}} {{drill}}'
    )],
    w: 8,
    h: 8,
  }),

  dashboard: dashboard.dashboard({
    uid: 'seamless-sla-overview',
    description: 'Are requests served in time, from complete and fresh data?',
    variables: variables,
    choices: [dashboard.percentile],
    questions: [
      { question: 'Does it hurt?', panels: [error_budget_left, burn_now, worst_phase, firing] },
      { question: 'Which phase is slow?', panels: std.flatMap(phase_panels, phases) },
      { question: 'Which domain is slow?', panels: std.map(domain_panel, phases) },
      { question: 'How long does the error budget last?', panels: [burn_rates, missed] },
      { question: 'Is the data complete and fresh?', panels: [coverage, staleness] },
      {
        question: 'What is held back, and what has fired?',
        panels: [
          held('domain_gate_holds', 'HOLD', 'Requests that a domain gate held back'),
          held('partial_fill_returns', 'PARTIAL_FILL', 'Requests that were answered with a part of the range'),
          alert_states,
        ],
      },
    ],
  }),
}
