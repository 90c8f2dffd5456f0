// Latency: budgets per phase, and the objective's error budget.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

local family = 'seamless_sla_deadline_seconds';
local of(phase) = ['phase="%s"' % phase];
local phases = schema.phase_order;

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local names = promql.sla,
  local window(text) = durations.window(config, text),
  local rate_window = window(config.quantile_window),
  local percentile = 'p%g' % (config.quantile * 100),
  local budget(phase) = config[phase + '_budget'],
  local edges(phase) = promql.edges(budget(phase)),
  local allowed = promql.number(promql.allowed_share),

  // Each rate is summed once, here; alerts, burn rates and panels read what is recorded.
  local observations(phase) = {
    record: names.all,
    expr: promql.judged(family, budget(phase), edges(phase), ['phase'], rate_window, of(phase)),
    labels: { phase: phase },
  },
  local over_budget(phase) = {
    record: names.over,
    expr: promql.over(family, budget(phase), edges(phase), ['phase'], rate_window, of(phase)),
    labels: { phase: phase },
  },

  // Series that no edge judges.
  local unjudged(expr, phase) = '(%s unless ignoring (le) (%s))' % [
    expr,
    std.join(' or ', ['%s_bucket%s' % [family, promql.braces(of(phase) + [promql.le(edge)])] for edge in edges(phase)]),
  ],
  local without_edge(phase) = {
    local buckets = unjudged('%s_count%s' % [family, promql.braces(of(phase))], phase),
    // A target that exposes both forms is judged by its native one.
    local any = '(\n  %s unless %s%s\n  or\n  %s\n)'
                % [buckets, family, promql.braces(of(phase)), promql.beyond_top(family, budget(phase), rate_window, of(phase))],
    record: names.without_edge,
    expr: 'count by (%s) %s' % [promql.by(['phase']), if config.native_histograms then any else buckets],
    labels: { phase: phase },
  },
  // They are over budget all the same where more than the allowed share lies beyond their top edge and takes longer
  // than the budget on average: at least (sum - top x within) / beyond.
  local beyond_top(phase, top) = {
    local rate(series, matchers=[]) = 'sum by (%s) (rate(%s_%s%s[%s]) unless ignoring (le) (%s))' % [
      promql.by(['phase']),
      family,
      series,
      promql.braces(of(phase) + matchers),
      rate_window,
      promql.within(family, edges(phase), rate_window, of(phase)),
    ],
    local parts = {
      sum: rate('sum'),
      count: rate('count'),
      within: rate('bucket', [promql.le(top)]),
      top: promql.number(top),
      allowed: allowed,
    },
    record: names.beyond_top,
    expr: |||
      (
        %(sum)s
        - %(top)s * %(within)s
      )
      / (
        %(count)s
        - %(within)s
        > %(allowed)s * %(count)s
      )
    ||| % parts,
    labels: { phase: phase, top: parts.top },
  },

  // The same of native histograms with such a top edge: of all that the phase observed.
  local native_beyond(phase, top) = {
    local rate = 'rate(%s%s[%s])' % [family, promql.braces(of(phase)), rate_window],
    record: names.native_beyond,
    expr: |||
      sum by (%(by)s) (
        %(rate)s
        and histogram_quantile(1, %(rate)s) == %(top)s
        and histogram_fraction(%(budget)s, +Inf, %(rate)s) > 0
      )
    ||| % { by: promql.by(['phase']), rate: rate, top: promql.number(top), budget: promql.number(budget(phase)) },
    labels: { phase: phase, top: promql.number(top) },
  },
  local native_beyond_top(phase, top) = {
    local parts = {
      by: promql.by(['phase']),
      whole: names.native_beyond + promql.braces(of(phase) + ['top="%s"' % promql.number(top)]),
      all: names.all + promql.braces(of(phase)),
      top: promql.number(top),
      allowed: allowed,
    },
    record: names.beyond_top,
    expr: |||
      (
        histogram_sum(%(whole)s)
        - %(top)s * histogram_count(%(whole)s) * histogram_fraction(0, %(top)s, %(whole)s)
      )
      / (
        histogram_count(%(whole)s) * histogram_fraction(%(top)s, +Inf, %(whole)s)
        > ignoring (top) group_left () %(allowed)s * sum by (%(by)s) (%(all)s or histogram_count(%(whole)s))
      )
    ||| % parts,
    labels: { phase: phase, top: parts.top, form: 'native' },
  },

  local ratio(logical) = {
    record: names.ratio(logical),
    expr: |||
      sum_over_time(%(over)s[%(window)s])
      / (sum_over_time(%(all)s[%(window)s]) > 0)
    ||| % { over: names.over, all: names.all, window: window(logical) },
  },

  // What the alert's value is: a share of observations over budget, or a mean beyond the buckets' top.
  local degraded_text(phase) =
    local now = alerts.recorded_quantile(config.quantile, family, promql.forms(names.buckets, names.native), ['phase']);
    '{{ if le $value 1.0 }}{{ $value | humanizePercentage }} of the requests in phase %(phase)s took longer than its budget of %(budget)gs for %(time)s on end%(now)s.'
    % { phase: phase, budget: budget(phase), time: config.degraded_for, now: now }
    + '{{ else }}More than %(allowed)g %% of the requests in phase %(phase)s lie beyond the top bucket of their runtimes, and take at least {{ $value | humanizeDuration }} on average: over the budget of %(budget)gs for %(time)s on end.{{ end }}'
      % { phase: phase, budget: budget(phase), time: config.degraded_for, allowed: promql.allowed_percent },

  local worst_nodes(phase) = alerts.list(
    'Slowest nodes',
    alerts.query([], function(own)
      'topk(3, (%s) >= 0)'
      % promql.quantile(config.quantile, family, ['node_id'], rate_window, of(phase) + own)),
    'node_id',
    'humanizeDuration'
  ),

  local degraded(phase) = alerts.alert({
    name: 'SeamlessSla99thDegraded',
    severity: 'warning',
    labels: { phase: phase },
    pending: durations.pending(config, config.degraded_for),
    // More than 1 % above the budget says the same as a p99 above it, and does not depend on how wide the
    // bucket around it is.
    expr: std.join('or\n', [
      '%s%s > %s\n' % [names.ratio(config.quantile_window), promql.braces(of(phase)), allowed],
    ] + (
      if promql.tops_below(budget(phase)) == [] then [] else [
        'max by (%s) (%s%s) > %s\n' % [promql.by(['phase']), names.beyond_top, promql.braces(of(phase)), promql.number(budget(phase))],
      ]
    )),
    summary: 'Seamless %s %s is over its %gs budget' % [phase, percentile, budget(phase)],
    description: degraded_text(phase),
    detail: worst_nodes(phase),
    dashboard: 'sla',
    variables: [],
  }),

  local approaching(phase) = alerts.alert({
    name: 'SeamlessSlaBudgetApproaching',
    severity: 'warning',
    labels: { phase: phase },
    pending: durations.pending(config, config.degraded_for),
    expr: promql.any_above([
      'histogram_quantile(%g, %s%s)' % [config.quantile, recorded, promql.braces(of(phase))]
      for recorded in promql.forms(names.buckets, names.native)
    ], budget(phase) * config.budget_warning_share),
    summary: 'Seamless %s %s is close to its %gs budget' % [phase, percentile, budget(phase)],
    description: |||
      The %s of phase %s is {{ $value | humanizeDuration }}, above %g %% of its budget of %gs; it is interpolated
      within a bucket.
    ||| % [percentile, phase, config.budget_warning_share * 100, budget(phase)],
    detail: worst_nodes(phase),
    dashboard: 'sla',
    variables: [],
  }),

  local error_budget = promql.number(promql.error_budget),
  local interval = durations.interval(config, config.evaluation_interval),
  local burn(rate) = alerts.alert({
    name: 'SeamlessSlaErrorBudgetBurn',
    severity: rate.severity,
    labels: { long_window: rate.long, short_window: rate.short },
    // Rates of every evaluation, times the seconds between two: how many observations there were.
    expr: |||
      %(long)s > %(factor)g * %(budget)s
      and
      %(short)s > %(factor)g * %(budget)s
      and
      %(seconds)s * sum_over_time(%(over)s[%(window)s]) > %(least)s
    ||| % {
      long: names.ratio(rate.long),
      short: names.ratio(rate.short),
      factor: rate.factor,
      budget: error_budget,
      over: names.over,
      window: window(rate.long),
      seconds: promql.number(durations.seconds(interval)),
      least: promql.number(config.burn_min_observations - 0.5),
    },
    summary: 'Seamless {{ $labels.phase }}: the error budget is burning at more than %g× the sustainable rate' % rate.factor,
    description: |||
      {{ $value | humanizePercentage }} of the requests in phase {{ $labels.phase }} missed its budget over the last %s (and
      %s); the objective allows %g %%. At this pace the error budget of %s is gone in less than %s.
    ||| % [
      rate.long,
      rate.short,
      promql.error_budget * 100,
      config.slo_window,
      // The whole window's budget, burnt at this factor.
      '%.3g days' % (durations.seconds(config.slo_window) / 86400 / rate.factor),
    ],
    dashboard: 'sla',
    variables: [],
  }),

  // An edge, so that the share of requests within budget is exact; below the top, so that there is something above it.
  local buckets = schema.families[family].buckets,
  local reachable(budget) = std.member(buckets, budget) && budget < buckets[std.length(buckets) - 1],
  assert [phase for phase in phases if !reachable(budget(phase))] == [] :
         'every budget must be an edge of the buckets of %s, below the top one' % family,

  groups: [
    {
      name: 'seamless-slo',
      interval: interval,
      rules: [
        { record: names.buckets, expr: 'sum by (%s) (rate(%s_bucket[%s]))' % [promql.by(['phase', 'le']), family, rate_window] },
      ] + (
        if config.native_histograms then [{
          record: names.native,
          expr: 'sum by (%s) (rate(%s[%s]) unless rate(%s_count[%s]))' % [promql.by(['phase']), family, rate_window, family, rate_window],
        }] else []
      ) + std.flatMap(function(phase) [observations(phase), over_budget(phase), without_edge(phase)], phases) + [
        rule
        for phase in phases
        for top in promql.tops_below(budget(phase))
        for rule in [beyond_top(phase, top)]
                    + if config.native_histograms then [native_beyond(phase, top), native_beyond_top(phase, top)] else []
      ] + [
        // Without the noise of binary fractions: exactly 1 % is not more than 1 %.
        { record: names.ratio(config.quantile_window), expr: 'round(%s / (%s > 0), 1e-6)' % [names.over, names.all] },
        {
          record: names.total_p99,
          expr: promql.higher([], [
            'histogram_quantile(0.99, %s{phase="total"}) >= 0' % recorded
            for recorded in promql.forms(names.buckets, names.native)
          ]),
        },
      ] + [ratio(logical) for logical in ['30m', '1h', '2h']],
    },
    {
      name: 'seamless-slo-long',
      interval: durations.interval(config, config.long_evaluation_interval),
      rules: [ratio(logical) for logical in ['6h', '1d', '3d', config.slo_window]],
    },
    {
      name: 'seamless-sla',
      interval: interval,
      rules: [degraded(phase) for phase in phases]
             + [approaching(phase) for phase in phases]
             + [burn(rate) for rate in config.burn_rates],
    },
  ],
}
