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
  local variables = dashboard.variables('seamless-sla-overview'),
  local narrowed(name) = dashboard.family_matchers(variables, name),
  local window = '$__rate_interval',
  local budget(phase) = config[phase + '_budget'],
  local error_budget = promql.number(promql.error_budget),
  local names = promql.sla,
  local shown = '{drill=~"$drill"}',
  local ratio(logical) = names.ratio(logical) + shown,
  // Without the phases' names: the worst of them.
  local worst(expr) = 'max by (%s) (%s)' % [promql.by([]), expr],
  local budget_steps(budget) = [['green'], ['orange', budget * config.budget_warning_share], ['red', budget]],

  local error_budget_left = panels.gauge({
    title: 'Error budget left',
    description: |||
      Share of the error budget of the last %s that is still unspent, in the phase where least is: %g %% of a phase's
      observations may miss its budget. Below zero the objective is missed. Counts what the runtime observed: errors
      within budget, cancelled and hanging requests are in no metric. Needs the recording rules, and %s of retention to be
      exact.
    ||| % [config.slo_window, (1 - config.slo_objective) * 100, config.slo_window],
    unit: 'percentunit',
    decimals: 1,
    min: 0,
    max: 1,
    no_value: 'cannot be judged',
    thresholds: [['red'], ['orange', 0.25], ['green', 0.5]],
    queries: [panels.instant('1 - %s / %s' % [worst(ratio(config.slo_window)), error_budget], 'left {{drill}}')],
    w: 6,
    h: 6,
  }),

  local burn_now = panels.stat({
    title: 'Burn rate, 1h',
    description: |||
      The burn rate of the worst phase over the last hour: 1 is the sustainable rate. At 1 it lasts exactly %s; from
      14.4 an alert pages.
    ||| % config.slo_window,
    unit: 'suffix:x',
    decimals: 1,
    no_value: 'cannot be judged',
    thresholds: [['green'], ['orange', 1], ['red', 6]],
    queries: [panels.range('%s / %s' % [worst(ratio('1h')), error_budget], '{{drill}}')],
    w: 4,
    h: 6,
  }),

  local unjudged = panels.stat({
    title: 'Series not judged',
    description: |||
      Series of the SLA histogram whose buckets have no edge at or above their phase's budget: what they count is outside
      the error budget. Give the runtime the buckets of the metrics reference.
    |||,
    unit: 'short',
    decimals: 0,
    no_value: 'rules not loaded',
    thresholds: [['green'], ['orange', 1]],
    queries: [panels.range(promql.or_none('sum by (%s) (%s%s)' % [promql.by([]), names.without_edge, shown]), 'series {{drill}}')],
    w: 4,
    h: 6,
  }),

  local worst_phase = panels.bargauge({
    title: 'p99 as a share of its budget',
    description: |||
      The p99 of each phase of the whole fleet as a share of its budget, interpolated within a bucket. "At least" stands where
      it is at the top bucket of the runtimes, which is a bound: under 100 % it is not known whether the budget holds.
    |||,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1.5,
    thresholds: [['green'], ['orange', config.budget_warning_share], ['red', 1]],
    overrides: [panels.unknown_below(1)],
    queries: [
      panels.instant(
        // Without observations the quantile is no number.
        '(%s) / %s >= 0' % [
          promql.bound_named(promql.higher([], [
            'histogram_quantile(%g, %s{phase="%s", drill=~"$drill"})' % [config.quantile, recorded, phase]
            for recorded in promql.forms(names.buckets, names.native)
          ]), family),
          promql.number(budget(phase)),
        ],
        '%s {{bound}} {{drill}}' % phase
      )
      for phase in phases
    ],
    w: 10,
    h: 6,
  }),

  local firing = panels.table({
    title: 'Alerts firing',
    description: 'Every Seamless alert that fires now, the urgent ones first. Empty is good.',
    unit: 'short',
    no_value: 'none',
    // `critical` stands before `warning`.
    sort: 'Severity',
    descending: false,
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
        'custom.width': 80,
      }),
      panels.column('Alert', { 'custom.width': 330 }),
      // What an alert has no label for.
      panels.column('Phase', { noValue: '–', 'custom.width': 150 }),
      panels.column('Node', { noValue: '–' }),
      panels.column('Drill', { noValue: '–', 'custom.width': 200 }),
      panels.column('Count', { 'custom.width': 70 }),
    ],
    w: 24,
    h: 7,
  }),

  local phase_panels(phase) =
    local matchers = ['phase="%s"' % phase] + narrowed(family);
    [
      panels.timeseries({
        title: '%s: p50, p95, p99' % phase_titles[phase],
        description: |||
          Quantiles of phase %s over all selected nodes; points mark a p99 at the top bucket: it is at least that, and so is a lower one beside it. The dashed lines
          are %g %% of its budget and the budget, %g s.
        ||| % [phase, config.budget_warning_share * 100, budget(phase)],
        unit: 's',
        min: 0,
        no_value: 'nothing observed in this phase',
        thresholds: [
          ['transparent'],
          ['orange', budget(phase) * config.budget_warning_share],
          ['red', budget(phase)],
        ],
        limit: budget(phase),
        queries: [
          panels.range(promql.bound_named(promql.quantile(0.99, family, [], window, matchers), family), 'p99 {{bound}} {{drill}}'),
        ] + [
          panels.range(promql.quantile(q, family, [], window, matchers), 'p%g {{drill}}' % (q * 100))
          for q in [0.95, 0.5]
        ],
        overrides: [panels.top_mark],
        w: 14,
        h: 9,
      }),
      panels.heatmap({
        title: '%s: distribution' % phase_titles[phase],
        description: 'Requests per bucket of phase %s: how many took how long. Shows the slow few that a quantile hides. Native histograms are counted at the same edges.' % phase,
        unit: 's',
        no_value: 'nothing observed in this phase',
        queries: [panels.buckets(promql.distribution(family, window, matchers))],
        w: 10,
        h: 9,
      }),
    ],

  local domain_panel(phase) =
    local name = schema.phases[phase].domain_family;
    panels.timeseries({
      title: '%s per domain' % phase_titles[phase],
      description: |||
        The chosen percentile of %s for a node, interval and world: which domains make phase %s slow, the 20 slowest by now.
        The dashed lines are %g %% of the budget and the budget, %g s. The table says "at least" of one at its top bucket.
      ||| % [name, phase, config.budget_warning_share * 100, budget(phase)],
      unit: 'ms',
      min: 0,
      no_value: 'nothing observed in this phase',
      mappings: panels.bounds(promql.tops(name)),
      thresholds: [
        ['transparent'],
        ['orange', budget(phase) * 1000 * config.budget_warning_share],
        ['red', budget(phase) * 1000],
      ],
      limit: budget(phase) * 1000,
      queries: [panels.range(
        promql.highest(schema.domain_labels, promql.quantile('$percentile', name, schema.domain_labels, window, narrowed(name))),
        domain_legend
      )],
      w: 12,
      h: 8,
    }),

  local burn_rates = panels.timeseries({
    title: 'Burn rate',
    description: |||
      The burn rate of the worst phase per window, in multiples of the sustainable rate. An alert needs a long window and its short one
      over the same line: %s.
    ||| % std.join(', ', ['%gx over %s and %s' % [r.factor, r.long, r.short] for r in config.burn_rates]),
    unit: 'suffix:x',
    min: 0,
    thresholds: [['transparent']] + [
      [if rate.severity == 'critical' then 'red' else 'orange', rate.factor]
      for rate in std.reverse(config.burn_rates)
    ],
    queries: [
      panels.range('%s / %s' % [worst(ratio(logical)), error_budget], '%s {{drill}}' % logical)
      for logical in ['5m', '1h', '6h', '3d']
    ],
    w: 12,
    h: 8,
  }),

  local missed = panels.timeseries({
    title: 'Observations over budget',
    description: |||
      Observations per second that missed their phase's budget. A request that fails fast is counted in the phase that
      stopped it, and in no other.
    |||,
    unit: 'reqps',
    min: 0,
    stack: true,
    queries: [panels.range('sum by (%s) (%s%s)' % [promql.by(['phase']), names.over, shown], '{{phase}} {{drill}}')],
    w: 12,
    h: 8,
  }),

  local coverage = panels.timeseries({
    title: 'Coverage',
    description: |||
      Share of the requested range that was served, the lowest that any worker reports, of the 20 domains with the least by now. The dashed line is the minimum of %g %%; a
      short request may stay under it, so that SeamlessCoverageLow also asks for a fall to %g %% of the best of the last %s.
    ||| % [config.min_coverage * 100, config.coverage_share_of_best * 100, config.lookback],
    unit: 'percentunit',
    max: 1,
    lowest: true,
    thresholds: [['red'], ['transparent', config.min_coverage]],
    queries: [panels.range(
      promql.lowest(variables, 'min by (%s) (coverage_ratio%s)' % [promql.by(variables), promql.braces(narrowed('coverage_ratio'))]),
      domain_legend
    )],
    w: 12,
    h: 8,
  }),

  local staleness = panels.timeseries({
    title: 'Staleness of live data',
    description: |||
      Age of the newest bar, the oldest that any worker reports, of the 20 domains that are oldest by now. Beyond %d intervals and %g s SeamlessLiveDataStale fires, for a
      domain that was within that in the last %s; a backtest's age is left out above a day.
    ||| % [config.bars_held_back + 1, config.max_staleness, config.lookback],
    unit: 's',
    min: 0,
    queries: [panels.range(
      promql.highest(
        variables, 'max by (%s) (live_staleness_seconds%s < 86400)' % [promql.by(variables), promql.braces(narrowed('live_staleness_seconds'))]
      ),
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
    no_value: 'none counted',
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
    choices: [dashboard.percentile],
    questions: [
      { question: 'Does it hurt?', panels: [error_budget_left, burn_now, unjudged, worst_phase, firing] },
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
