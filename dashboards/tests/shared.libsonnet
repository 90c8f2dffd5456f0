// What the rule tests that are made from the rules' own configuration have in common.
local promql_for = import '../lib/promql.libsonnet';
local mixin = import '../mixin.libsonnet';

{
  config:: mixin._config,
  promql:: promql_for($.config),

  // A file of rule tests. Recordings come first, as the alerts read them; promtool takes a group that is not
  // listed before the listed ones.
  file(interval, tests):: {
    rule_files: ['../../alert_rules.yml'],
    evaluation_interval: interval,
    group_eval_order: [group.name for group in mixin.prometheusRules.groups + mixin.prometheusAlerts.groups],
    tests: tests,
  },

  test(name, series, asked):: { name: name, interval: '1m', input_series: series, promql_expr_test: asked },

  labels(of):: '{%s}' % std.join(', ', ['%s="%s"' % [key, of[key]] for key in std.objectFields(of)]),
  series(name, of, values):: { series: name + $.labels(of), values: values },
  ask(expr, time, samples):: { expr: expr, eval_time: time, exp_samples: samples },
  sample(of, value=1):: { labels: $.labels(of), value: value },
  // The alerts that fire, by some of their labels.
  firing(name, by, matchers=''):: 'count by (%s) (ALERTS{alertname="%s", alertstate="firing"%s})' % [std.join(', ', by), name, matchers],
}
