// Conformance Quality: is the data what it claims to be?
local dashboard_for = import 'lib/dashboard.libsonnet';
local panels = import 'lib/panels.libsonnet';
local promql_for = import 'lib/promql.libsonnet';
local schema = import 'lib/schema.libsonnet';

local flags = 'seamless_conformance_flag_total';
local warnings = 'seamless_conformance_warning_total';
local collisions = 'fingerprint_collisions';
local domain_legend = '{{node_id}} {{interval}} {{world_id}} {{drill}}';

function(config) {
  local promql = promql_for(config),
  local dashboard = dashboard_for(config),
  local variables = dashboard.variables('seamless-conformance-quality'),
  local narrowed(name) = dashboard.family_matchers(variables, name),
  local window = '$__rate_interval',
  local domain = schema.domain_labels,
  local in_range(name, labels) = promql.sum_counter('increase', name, labels, '$__range', narrowed(name)),

  local total(title, name, description, bad) = panels.stat({
    title: title,
    description: description,
    unit: 'short',
    decimals: 0,
    thresholds: [['green'], [bad, 1]],
    queries: [panels.instant(in_range(name, []), '{{drill}}')],
    w: 6,
    h: 4,
  }) { options+: { graphMode: 'none' } },

  local publish_now = panels.stat({
    title: 'Artifact publish p99',
    description: 'p99 of publishing an artifact, "at least" where it stands at the top bucket; red from where SeamlessArtifactPublishSlow fires.',
    unit: 'ms',
    decimals: 1,
    mappings: panels.bounds(promql.tops('artifact_publish_latency_ms')),
    thresholds: [['green'], ['red', config.artifact_publish_max_ms]],
    queries: [panels.range(
      promql.quantile(config.quantile, 'artifact_publish_latency_ms', [], window, narrowed('artifact_publish_latency_ms')), '{{drill}}'
    )],
    w: 6,
    h: 4,
  }),

  local flag_rate = panels.timeseries({
    title: 'Flags by type',
    description: |||
      Bars flagged per %s, by kind of flag. More than %g of one domain fire SeamlessConformanceFlagSpike, where they mean lost or
      distorted data: %s. Casts and normalisations are flagged on sound frames too.
    ||| % [config.flag_window, config.flags_per_window, std.join(', ', config.flag_types)],
    unit: 'short',
    min: 0,
    stack: true,
    queries: [panels.range(
      promql.sum_counter('increase', flags, ['flag_type'], config.flag_window, narrowed(flags)), '{{flag_type}} {{drill}}'
    )],
    w: 14,
    h: 9,
  }),

  local breakdown = panels.table({
    title: 'Flag Breakdown',
    description: 'How many bars each kind of flag hit within the range shown, and its share of all flags.',
    unit: 'short',
    no_value: 'none',
    sort: 'Flags',
    queries: [
      panels.table_of(in_range(flags, ['flag_type'])),
      panels.table_of('(%s) / on (%s) group_left () (%s > 0)' % [in_range(flags, ['flag_type']), promql.by([]), in_range(flags, [])]),
    ],
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: { flag_type: 0, 'Value #A': 1, 'Value #B': 2, drill: 3 },
          renameByName: { flag_type: 'Flag', 'Value #A': 'Flags', 'Value #B': 'Share', drill: 'Drill' },
        },
      },
    ],
    overrides: [
      panels.column('Flags', { decimals: 0 }),
      panels.column('Share', {
        unit: 'percentunit',
        max: 1,
        min: 0,
        'custom.cellOptions': { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' },
      }),
    ],
    w: 10,
    h: 9,
  }),

  local outcome = panels.state_timeline({
    title: 'Regression report checks',
    description: |||
      Whether each domain would pass its regression report: it fails while any flag or schema warning was raised within
      the last %s.
    ||| % config.flag_window,
    unit: 'short',
    mappings: panels.value_map([[0, 'pass', 'green'], [1, 'fail', 'red']]),
    no_value: 'none',
    queries: [panels.range(
      'sum by (%s) (%s or %s) > bool 0' % [
        promql.by(domain),
        promql.counter('increase', flags, config.flag_window, narrowed(flags)),
        promql.counter('increase', warnings, config.flag_window, narrowed(warnings)),
      ],
      domain_legend
    )],
    w: 24,
    h: 8,
  }),

  local warning_rate = panels.timeseries({
    title: 'Schema warnings',
    description: 'Schema warnings per %s, by domain.' % config.flag_window,
    unit: 'short',
    min: 0,
    queries: [panels.range(promql.sum_counter('increase', warnings, domain, config.flag_window, narrowed(warnings)), domain_legend)],
    w: 12,
    h: 8,
  }),

  local collision_count = panels.timeseries({
    title: 'Fingerprint collisions',
    description: 'Reads that returned data whose fingerprint was known already, per %s and domain: every unchanged read of a window that was read before counts.' % config.collision_window,
    unit: 'short',
    min: 0,
    decimals: 0,
    queries: [panels.range(promql.sum_counter('increase', collisions, domain, config.collision_window, narrowed(collisions)), domain_legend)],
    w: 12,
    h: 8,
  }),

  local publish_latency = panels.timeseries({
    title: 'Artifact publish latency: p50, p95, p99',
    description: 'Time taken to publish an artifact. The dashed line is where SeamlessArtifactPublishSlow fires; points mark a p99 at the top bucket: it is at least that.',
    unit: 'ms',
    min: 0,
    thresholds: [['transparent'], ['red', config.artifact_publish_max_ms]],
    queries: [
      panels.range(
        promql.quantile(q, 'artifact_publish_latency_ms', [], window, narrowed('artifact_publish_latency_ms')), 'p%g {{drill}}' % (q * 100)
      )
      for q in [0.99, 0.95, 0.5]
    ] + [panels.range(
      promql.at_top(
        promql.quantile(0.99, 'artifact_publish_latency_ms', [], window, narrowed('artifact_publish_latency_ms')), 'artifact_publish_latency_ms'
      ),
      'p99 is at least this: top bucket {{drill}}'
    )],
    overrides: [panels.top_mark],
    w: 12,
    h: 8,
  }),

  local bytes = panels.timeseries({
    title: 'Artifact bytes written',
    description: 'Bytes of artifacts written per second, by domain.',
    unit: 'Bps',
    min: 0,
    stack: true,
    queries: [panels.range(promql.sum_counter('rate', 'artifact_bytes_written', domain, window, narrowed('artifact_bytes_written')), domain_legend)],
    w: 12,
    h: 8,
  }),

  dashboard: dashboard.dashboard({
    uid: 'seamless-conformance-quality',
    description: 'Is the data what it claims to be, and do its artifacts arrive?',
    choices: [],
    questions: [
      {
        question: 'Is the data bad?',
        panels: [
          total('Flags', flags, 'Bars flagged by the conformance pipeline within the range shown.', 'orange'),
          total('Schema warnings raised', warnings, 'Schema warnings within the range shown.', 'orange'),
          total('Collisions', collisions, 'Unchanged reads of windows that were read before, within the range shown.', 'blue'),
          publish_now,
        ],
      },
      { question: 'What is wrong with it?', panels: [flag_rate, breakdown] },
      { question: 'Whose data is it?', panels: [outcome, warning_rate, collision_count] },
      { question: 'Do artifacts arrive?', panels: [publish_latency, bytes] },
    ],
  }),
}
