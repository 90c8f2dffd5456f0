// Quality of the data: conformance flags, artifacts and their fingerprints.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local domain = schema.domain_labels,
  local flags = 'seamless_conformance_flag_total',
  local collisions = 'fingerprint_collisions',

  local kinds = alerts.list(
    'Most frequent',
    alerts.query(domain, function(own)
      'topk(3, sum by (flag_type) (%s) > 0)' % promql.counter('increase', flags, window(config.flag_window), own)),
    'flag_type',
    'printf "%.0f"'
  ),

  groups: [{
    name: 'seamless-conformance',
    interval: durations.interval(config, config.evaluation_interval),
    rules: [
      alerts.alert({
        name: 'SeamlessConformanceFlagSpike',
        severity: 'warning',
        expr: promql.above(promql.sum_counter('increase', flags, domain, window(config.flag_window)), config.flags_per_window),
        summary: 'Conformance flags of {{ $labels.node_id }} surge',
        description: |||
          {{ printf "%%.0f" $value }} bars of %s were flagged within %s; more than %g is a surge.
        ||| % [alerts.domain, config.flag_window, config.flags_per_window],
        detail: kinds,
        dashboard: 'conformance',
        variables: domain,
      }),
      alerts.alert({
        name: 'SeamlessFingerprintCollision',
        severity: 'warning',
        // A series that appears with its first collision is born at 1: increase() cannot see that one.
        expr: |||
          %(grown)s > 0
          or
          sum by (%(by)s) (%(born)s) > 0
        ||| % {
          by: promql.by(domain),
          grown: promql.sum_counter('increase', collisions, domain, window(config.collision_window)),
          born: promql.born(collisions, window(config.collision_window), window('5m')),
        },
        summary: 'Two artifacts of {{ $labels.node_id }} share a fingerprint',
        description: |||
          {{ printf "%%.0f" $value }} fingerprint collisions for %s within %s: different artifacts that
          pass for the same one.
        ||| % [alerts.domain, config.collision_window],
        dashboard: 'conformance',
        variables: domain,
      }),
      alerts.alert({
        name: 'SeamlessArtifactPublishSlow',
        severity: 'warning',
        pending: durations.pending(config, config.slow_for),
        expr: promql.any_above(
          promql.quantiles(config.quantile, 'artifact_publish_latency_ms', domain, window(config.slow_window)),
          config.artifact_publish_max_ms
        ),
        summary: 'Artifacts of {{ $labels.node_id }} are published slowly',
        description: |||
          The p%g of publishing artifacts for %s is {{ printf "%%.0f" $value }} ms, over %g ms.
        ||| % [config.quantile * 100, alerts.domain, config.artifact_publish_max_ms],
        dashboard: 'conformance',
        variables: domain,
      }),
    ],
  }],
}
