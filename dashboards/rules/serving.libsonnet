// What requests are served with: fresh and complete data, rate limiter headroom, domain gates.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local domain = schema.domain_labels,
  local limiter = schema.families.seamless_rl_tokens_available.labels,
  local the_limiter = 'Rate limiter {{ $labels.limiter }} of world {{ $labels.world_id }}',

  local exhausted(signal, expr, description) = alerts.alert({
    name: 'SeamlessRateLimiterExhausted',
    severity: 'warning',
    labels: { signal: signal },
    pending: durations.pending(config, config.limiter_for),
    expr: expr,
    summary: 'Rate limiter {{ $labels.limiter }} is exhausted',
    description: description,
    dashboard: 'backfill',
    variables: limiter,
  }),

  local held(family, answer) = alerts.alert({
    name: 'SeamlessDomainGateHolds',
    severity: 'warning',
    labels: { answer: answer },
    expr: promql.above(
      promql.sum_counter('increase', family, domain + ['reason'], window(config.gate_window)), config.gate_answers_per_window
    ),
    summary: '%s answers of {{ $labels.node_id }} surge: {{ $labels.reason }}' % answer,
    description: |||
      {{ printf "%%.0f" $value }} requests of %s were answered with %s within %s, reason {{ $labels.reason }}; more
      than %g is a surge.
    ||| % [alerts.domain, answer, config.gate_window, config.gate_answers_per_window],
    dashboard: 'sla',
    variables: domain,
  }),

  groups: [{
    name: 'seamless-serving',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [
      alerts.alert({
        name: 'SeamlessLiveDataStale',
        severity: 'warning',
        pending: durations.pending(config, config.staleness_for),
        expr: promql.above('max by (%s) (live_staleness_seconds)' % promql.by(domain), config.max_staleness),
        summary: 'Live data of {{ $labels.node_id }} is stale',
        description: |||
          The newest bar of %s is {{ $value | humanizeDuration }} old, more than %gs, for %s.
        ||| % [alerts.domain, config.max_staleness, config.staleness_for],
        dashboard: 'sla',
        variables: domain,
      }),
      alerts.alert({
        name: 'SeamlessCoverageLow',
        severity: 'warning',
        pending: durations.pending(config, config.coverage_for),
        expr: 'min by (%s) (coverage_ratio) < %s' % [promql.by(domain), promql.number(config.min_coverage)],
        summary: 'Coverage of {{ $labels.node_id }} is under %g %%' % (config.min_coverage * 100),
        description: |||
          Only {{ $value | humanizePercentage }} of the range requested of %s was served, less than %g %%, for %s.
        ||| % [alerts.domain, config.min_coverage * 100, config.coverage_for],
        dashboard: 'sla',
        variables: domain,
      }),
      // The bucket is shared, so one worker that sees tokens proves that there are some.
      exhausted(
        'tokens',
        'max by (%s) (seamless_rl_tokens_available) < %s' % [promql.by(limiter), promql.number(config.min_tokens)],
        '%s has {{ printf "%%.0f" $value }} tokens left, and had none for %s.' % [the_limiter, config.limiter_for],
      ),
      // A single burst leaves the window before `for` is over; only drops that go on fire.
      exhausted(
        'drops',
        promql.above(promql.sum_counter('rate', 'seamless_rl_dropped_total', limiter, window(config.limiter_window)), 0),
        '%s has dropped requests for %s on end, {{ printf "%%.2f" $value }} per second now.' % [the_limiter, config.limiter_for],
      ),
      held('domain_gate_holds', 'HOLD'),
      held('partial_fill_returns', 'PARTIAL_FILL'),
    ],
  }],
}
