// Whether monitoring itself works: required families are there, and alerts reach a receiver.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

local series = 'seamless:required_family:series';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),

  // A series per required family, counted every time: cheap to look back on, unlike the families.
  local count(name) =
    local names = {
      gauge: name,
      counter: std.join('|', promql.counter_names(name)),
      histogram: '%s|%s_count' % [name, name],
    }[schema.families[name].type];
    local selector = if names == name then name else '{__name__=~"%s"}' % names;
    {
      record: series,
      expr: 'count by (%s) (%s)' % [promql.by([]), selector],
      labels: { family: name },
    },

  groups: [{
    name: 'seamless-required-families',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [count(name) for name in schema.family_order if schema.families[name].required],
  }, {
    name: 'seamless-meta',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [
      alerts.alert({
        name: 'SeamlessMetricsAbsent',
        severity: 'warning',
        pending: durations.pending(config, config.absent_after),
        // A drill that is over takes its series along, which is no fault; a family that vanishes
        // while others of the same drill are still there is one.
        expr: |||
          (
            last_over_time(%(series)s{drill=""}[%(back)s])
            or
            last_over_time(%(series)s{drill!=""}[%(back)s]) and on (%(kept)s) %(series)s{drill!=""}
          )
          unless
          %(series)s
        ||| % {
          series: series,
          back: durations.window(config, config.absent_lookback),
          kept: promql.by([]),
        },
        summary: 'Metric {{ $labels.family }} has vanished',
        description: |||
          The required metric {{ $labels.family }} was there within the last %s ({{ $value }} series) and has had no
          series for %s.
        ||| % [config.absent_lookback, config.absent_after],
        dashboard: 'sla',
        variables: [],
      }),
      alerts.alert({
        name: 'SeamlessWatchdog',
        severity: 'none',
        expr: 'vector(1)',
        summary: 'Alerting works',
        description: 'This alert always fires. Its receiver raises the alarm when it stops.',
        dashboard: 'sla',
        variables: [],
      }),
    ],
  }],
}
