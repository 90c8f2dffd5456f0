// The standard face of a monitoring mixin.
(import 'config.libsonnet') + {
  local config = $._config,
  local rules = [
    (import 'rules/sla.libsonnet')(config),
    (import 'rules/backfill.libsonnet')(config),
    (import 'rules/conformance.libsonnet')(config),
    (import 'rules/serving.libsonnet')(config),
    (import 'rules/meta.libsonnet')(config),
  ],
  local dashboards = {
    'seamless-sla-overview.json': import 'sla_overview.libsonnet',
    'seamless-backfill-health.json': import 'backfill_health.libsonnet',
    'seamless-conformance-quality.json': import 'conformance_quality.libsonnet',
  },
  local groups = std.flatMap(function(part) part.groups, rules),
  // A group holds either alerts or recordings.
  local of(key) = [group for group in groups if std.objectHas(group.rules[0], key)],

  grafanaDashboards+:: {
    [file]: (dashboards[file])(config).dashboard
    for file in std.objectFields(dashboards)
  },
  prometheusAlerts+:: { groups+: of('alert') },
  prometheusRules+:: { groups+: of('record') },
}
