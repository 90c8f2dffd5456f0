// Latency: budgets per phase, and the objective's error budget.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

local family = 'seamless_sla_deadline_seconds';
local total = ['phase="total"'];
local requests = 'seamless:sla_requests:rate5m';
local requests_over_budget = 'seamless:sla_requests_over_budget:rate5m';
local ratio(window) = 'seamless:sla_error:ratio_rate' + window;

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local quantile_window = window(config.quantile_window),
  local percentile = 'p%g' % (config.quantile * 100),
  local budget(phase) = config[phase + '_budget'],
  local error_budget = promql.error_budget,

  local above(phase, threshold) = promql.any_above(
    promql.quantiles(config.quantile, family, ['phase'], quantile_window, ['phase="%s"' % phase]), threshold
  ),

  local worst_nodes(phase) = alerts.list(
    'Worst nodes',
    alerts.query([], function(own)
      'topk(3, (%s) >= 0)'
      % promql.quantile(config.quantile, family, ['node_id'], quantile_window, ['phase="%s"' % phase] + own)),
    'node_id',
    'humanizeDuration'
  ),

  local degraded(phase) = alerts.alert({
    name: 'SeamlessSla99thDegraded',
    severity: 'warning',
    labels: { phase: phase },
    pending: durations.pending(config, config.degraded_for),
    expr: above(phase, budget(phase)),
    summary: 'Seamless %s %s is over its %gs budget' % [phase, percentile, budget(phase)],
    description: |||
      The %s of phase %s is {{ $value | humanizeDuration }}, over its budget of %gs, for %s on end.
    ||| % [percentile, phase, budget(phase), config.degraded_for],
    detail: worst_nodes(phase),
    dashboard: 'sla',
    variables: [],
  }),

  local approaching(phase) = alerts.alert({
    name: 'SeamlessSlaBudgetApproaching',
    severity: 'warning',
    labels: { phase: phase },
    pending: durations.pending(config, config.degraded_for),
    expr: above(phase, budget(phase) * config.budget_warning_share),
    summary: 'Seamless %s %s is close to its %gs budget' % [phase, percentile, budget(phase)],
    description: |||
      The %s of phase %s is {{ $value | humanizeDuration }}, above %g %% of its budget of %gs.
    ||| % [percentile, phase, config.budget_warning_share * 100, budget(phase)],
    detail: worst_nodes(phase),
    dashboard: 'sla',
    variables: [],
  }),

  local burn(rate) = alerts.alert({
    name: 'SeamlessSlaErrorBudgetBurn',
    severity: rate.severity,
    labels: { long_window: rate.long, short_window: rate.short },
    expr: |||
      %(long)s > %(factor)g * %(budget)s
      and
      %(short)s > %(factor)g * %(budget)s
    ||| % {
      long: ratio(rate.long),
      short: ratio(rate.short),
      factor: rate.factor,
      budget: promql.number(error_budget),
    },
    summary: 'Seamless burns its error budget more than %gx too fast' % rate.factor,
    description: |||
      {{ $value | humanizePercentage }} of requests missed the total budget of %gs over the last %s (and %s);
      the objective allows %g %%. At this pace the budget of %s is gone in less than %s.
    ||| % [
      config.total_budget,
      rate.long,
      rate.short,
      error_budget * 100,
      config.slo_window,
      // The whole window's budget, burnt at this factor.
      '%.3g days' % (durations.seconds(config.slo_window) / 86400 / rate.factor),
    ],
    dashboard: 'sla',
    variables: [],
  }),

  local record(logical) = {
    record: ratio(logical),
    expr: promql.share_above(family, config.total_budget, [], window(logical), total),
  },

  // Days of every node's samples are too many to read again every two minutes (a Prometheus takes
  // 30 ms and more per node for 30 days), so that long windows read what is recorded of the whole.
  local record_long(logical) = {
    record: ratio(logical),
    expr: |||
      sum_over_time(%(over)s[%(window)s])
      / (sum_over_time(%(all)s[%(window)s]) > 0)
    ||| % { over: requests_over_budget, all: requests, window: window(logical) },
  },

  local phases = schema.phase_order,

  // An edge, so that the share of requests within budget is exact; below the top, so that a quantile can
  // exceed it.
  local buckets = schema.families[family].buckets,
  local reachable(budget) = std.member(buckets, budget) && budget < buckets[std.length(buckets) - 1],
  assert [phase for phase in phases if !reachable(budget(phase))] == [] :
         'every budget must be an edge of the buckets of %s, below the top one' % family,

  // The windows of the burn rates, short ones often, long ones rarely; the objective's own is for the
  // dashboards.
  groups: [
    {
      name: 'seamless-slo',
      interval: durations.interval(config, config.evaluation_interval),
      rules: [
        { record: requests, expr: promql.count_rate(family, [], window('5m'), total) },
        {
          record: requests_over_budget,
          expr: promql.rate_above(family, config.total_budget, [], window('5m'), total),
        },
      ] + [record(w) for w in ['5m', '30m', '1h', '2h']],
    },
    {
      name: 'seamless-slo-long',
      interval: durations.interval(config, config.long_evaluation_interval),
      rules: [record_long(w) for w in ['6h', '1d', '3d', config.slo_window]],
    },
    {
      name: 'seamless-sla',
      interval: durations.interval(config, config.evaluation_interval),
      rules: [degraded(phase) for phase in phases]
             + [approaching(phase) for phase in phases]
             + [burn(rate) for rate in config.burn_rates],
    },
  ],
}
