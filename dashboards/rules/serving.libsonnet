// What requests are served with: fresh and complete data, rate limiter headroom, domain gates.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

local staleness = 'live_staleness_seconds';
local coverage = 'coverage_ratio';
// Domains within their limit, seen every few minutes, and those that were at some time in the last day.
local fresh = 'seamless:live_staleness_seconds:within_limit';
local live = 'seamless:live_staleness_seconds:within_limit_1d';
// Live domains that are beyond their limit now.
local stale = 'seamless:live_staleness_seconds:over_limit';
local covered = 'seamless:coverage_ratio:max';
local best = 'seamless:coverage_ratio:max_1d';
local low = 'seamless:coverage_ratio:low';
local surge_name(family) = 'seamless:%s:surge' % family;

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local domain = schema.domain_labels,
  local of_domain = promql.by(domain),
  local limiter = schema.families.seamless_rl_tokens_available.labels,

  local of_interval(interval) = staleness + promql.braces(['interval="%d"' % interval, config.live_selector]),
  // All samples since the evaluation before: a domain that was within its limit between the two was so, too.
  local between_evaluations = window(config.day_evaluation_interval),
  local limit(interval) = (config.bars_held_back + 1) * interval + config.max_staleness,
  local day = durations.seconds(config.lookback),
  // A domain that was live within the last day cannot be staler than that day: what is, is a backtest.
  local beyond = std.join('or\n', [
    'max by (%s) (%s > %d < %d)\n' % [of_domain, of_interval(interval), limit(interval), limit(interval) + day]
    for interval in config.intervals
  ]),
  local chosen = config.live_selector != '',
  local over_limit = {
    record: stale,
    expr: if chosen then beyond else '(\n%s)\nand on (%s) %s\n' % [promql.indented(beyond), of_domain, live],
  },
  local low_coverage = {
    record: low,
    expr: |||
      min by (%(by)s) (%(family)s) < %(minimum)s < %(share)s * %(best)s
    ||| % {
      by: of_domain,
      family: coverage,
      minimum: promql.number(config.min_coverage),
      share: promql.number(config.coverage_share_of_best),
      best: best,
    },
  },

  // Surges of answers, by reason: only what is above the limit is recorded and read. Of the reasons, two are given at
  // every poll of a sound domain whose bars are held back: they count where the data is what they say.
  local surge(family) = {
    record: surge_name(family),
    expr: promql.above(promql.grown_counter(family, domain + ['reason'], window(config.gate_window)), config.gate_answers_per_window),
  },
  local held(family, answer) =
    alerts.alert({
      name: 'SeamlessDomainGateHolds',
      severity: 'warning',
      labels: { answer: answer },
      expr: |||
        %(surge)s
        unless
        (%(surge)s{reason="freshness_breach"} unless on (%(by)s) %(stale)s)
        unless
        (%(surge)s{reason="coverage_breach"} unless on (%(by)s) %(low)s)
      ||| % {
        surge: surge_name(family),
        by: of_domain,
        stale: stale,
        low: low,
      },
      summary: '%s answers of {{ $labels.node_id }} surge: {{ $labels.reason }}' % answer,
      description: |||
        {{ printf "%%.0f" $value }} requests of %s were answered with %s within %s, reason {{ $labels.reason }}; more
        than %g is a surge.
      ||| % [alerts.domain, answer, config.gate_window, config.gate_answers_per_window],
      dashboard: 'sla',
      variables: domain,
    }),

  groups: [
    {
      name: 'seamless-day',
      interval: durations.interval(config, config.day_evaluation_interval),
      rules: (
        if chosen then [] else [
          {
            record: fresh,
            expr: std.join('or\n', [
              'min by (%s) (min_over_time(%s[%s])) <= %d\n'
              % [of_domain, of_interval(interval), between_evaluations, limit(interval)]
              for interval in config.intervals
            ]),
          },
          { record: live, expr: 'max by (%s) (present_over_time(%s[%s]))' % [of_domain, fresh, window(config.lookback)] },
        ]
      ) + [
        { record: covered, expr: 'max by (%s) (max_over_time(%s[%s]))' % [of_domain, coverage, between_evaluations] },
        { record: best, expr: 'max by (%s) (max_over_time(%s[%s]))' % [of_domain, covered, window(config.lookback)] },
      ],
    },
    {
      name: 'seamless-serving-conditions',
      interval: durations.interval(config, config.domain_evaluation_interval),
      rules: [over_limit, low_coverage, surge('domain_gate_holds'), surge('partial_fill_returns')],
    },
    {
      name: 'seamless-serving',
      interval: durations.interval(config, config.domain_evaluation_interval),
      rules: [
        alerts.alert({
          name: 'SeamlessLiveDataStale',
          severity: 'warning',
          pending: durations.pending(config, config.staleness_for),
          expr: stale,
          summary: 'Live data of {{ $labels.node_id }} is stale',
          description: |||
            The newest bar of %s is {{ $value | humanizeDuration }} old, more than %d intervals and %gs, for %s.
          ||| % [alerts.domain, config.bars_held_back + 1, config.max_staleness, config.staleness_for],
          dashboard: 'sla',
          variables: domain,
        }),
        alerts.alert({
          name: 'SeamlessCoverageLow',
          severity: 'warning',
          pending: durations.pending(config, config.coverage_for),
          expr: low,
          summary: 'Coverage of {{ $labels.node_id }} is under %g %%' % (config.min_coverage * 100),
          description: |||
            Only {{ $value | humanizePercentage }} of the range requested of %s was served, less than %g %% and less than
            %g %% of its best of the last %s, for %s.
          ||| % [alerts.domain, config.min_coverage * 100, config.coverage_share_of_best * 100, config.lookback, config.coverage_for],
          dashboard: 'sla',
          variables: domain,
        }),
        // Drops count polls of requests that wait and are served in the end, and the gauge of tokens moves only with a
        // request: neither alone says that a limiter is exhausted.
        alerts.alert({
          name: 'SeamlessRateLimiterExhausted',
          severity: 'warning',
          pending: durations.pending(config, config.limiter_for),
          expr: |||
            %(drops)s > 0
            and
            max by (%(by)s) (seamless_rl_tokens_available) < %(least)s
          ||| % {
            drops: promql.sum_counter('rate', 'seamless_rl_dropped_total', limiter, window(config.limiter_window)),
            by: promql.by(limiter),
            least: promql.number(config.min_tokens),
          },
          summary: 'Requests wait for rate limiter {{ $labels.limiter }}',
          description: |||
            Requests of world {{ $labels.world_id }} have waited for rate limiter {{ $labels.limiter }} for %s on end; they
            poll it {{ printf "%%.2f" $value }} times per second in vain.
          ||| % config.limiter_for,
          dashboard: 'backfill',
          variables: limiter,
        }),
        held('domain_gate_holds', 'HOLD'),
        held('partial_fill_returns', 'PARTIAL_FILL'),
      ],
    },
  ],
}
