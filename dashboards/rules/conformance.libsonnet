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
  local harmful = 'flag_type=~"%s"' % std.join('|', config.flag_types),
  local publish = 'artifact_publish_latency_ms',

  local kinds = alerts.list(
    'Most frequent',
    alerts.query(domain, function(own)
      'topk(3, %s > 0)' % alerts.one_line(promql.grown_counter(flags, ['flag_type'], window(config.flag_window), [harmful] + own))),
    'flag_type',
    'printf "%.0f"'
  ),

  local collision = alerts.alert({
    name: 'SeamlessFingerprintCollision',
    severity: 'warning',
    expr: promql.above(promql.grown_counter('fingerprint_collisions', domain, window(config.collision_window)), 0),
    summary: 'Windows of {{ $labels.node_id }} were read again unchanged',
    description: |||
      {{ printf "%%.0f" $value }} reads of %s within %s returned data whose fingerprint was known already.
    ||| % [alerts.domain, config.collision_window],
    dashboard: 'conformance',
    variables: domain,
  }),

  groups: [{
    name: 'seamless-conformance',
    interval: durations.interval(config, config.domain_evaluation_interval),
    rules: [
      alerts.alert({
        name: 'SeamlessConformanceFlagSpike',
        severity: 'warning',
        expr: promql.above(promql.grown_counter(flags, domain, window(config.flag_window), [harmful]), config.flags_per_window),
        summary: 'Conformance flags of {{ $labels.node_id }} surge',
        description: |||
          {{ printf "%%.0f" $value }} bars of %s were lost or distorted within %s; more than %g is a surge.
        ||| % [alerts.domain, config.flag_window, config.flags_per_window],
        detail: kinds,
        dashboard: 'conformance',
        variables: domain,
      }),
    ] + (if config.fingerprint_collision_alert then [collision] else []) + [
      alerts.alert({
        name: 'SeamlessArtifactPublishSlow',
        severity: 'warning',
        pending: durations.pending(config, config.slow_for),
        expr: promql.above(promql.excess(config.quantile, publish, config.artifact_publish_max_ms, domain, window(config.slow_window)), 0),
        summary: 'Artifacts of {{ $labels.node_id }} are published slowly',
        description: |||
          More than %g %% of the artifacts of %s take longer than %s to publish%s.
        ||| % [
          promql.allowed_percent,
          alerts.domain,
          durations.text(config.artifact_publish_max_ms),
          alerts.quantile_now(config.quantile, publish, domain, window(config.slow_window)),
        ],
        dashboard: 'conformance',
        variables: domain,
      }),
    ],
  }],
}
