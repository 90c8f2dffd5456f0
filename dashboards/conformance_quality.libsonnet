// Conformance Quality: is the data what it claims to be?
local dashboard_for = import 'lib/dashboard.libsonnet';
local durations = import 'lib/duration.libsonnet';
local panels = import 'lib/panels.libsonnet';
local promql_for = import 'lib/promql.libsonnet';
local schema = import 'lib/schema.libsonnet';

local flags = 'seamless_conformance_flag_total';
local warnings = 'seamless_conformance_warning_total';
local collisions = 'fingerprint_collisions';
local publish = 'artifact_publish_latency_ms';
local domain_legend = '{{node_id}} {{interval}} {{world_id}} {{drill}}';

function(config) {
  local promql = promql_for(config),
  local dashboard = dashboard_for(config),
  local variables = dashboard.variables('seamless-conformance-quality'),
  local narrowed(name) = dashboard.family_matchers(variables, name),
  local window = '$__rate_interval',
  local rare = panels.rate_over(durations.seconds(config.slow_window)),
  local domain = schema.domain_labels,
  local harmful = 'flag_type=~"%s"' % std.join('|', config.flag_types),
  local in_range(name, labels, more=[]) = promql.grown_counter(name, labels, '$__range', more + narrowed(name)),
  local in_window(name, labels, window, more=[]) = promql.grown_counter(name, labels, window, more + narrowed(name)),

  local total(title, width, description, expr, thresholds) = panels.stat({
    title: title,
    description: description,
    unit: 'locale',
    decimals: 0,
    no_value: 'none',
    thresholds: thresholds,
    queries: [panels.instant(expr, '{{drill}}')],
    w: width,
    h: 4,
  }) { options+: { graphMode: 'none' } },

  local publish_now = panels.stat({
    title: 'Artifact publish p99',
    description: 'p99 of publishing an artifact over %s at least, "at least" where it stands at the top bucket; red from where SeamlessArtifactPublishSlow fires.' % config.slow_window,
    unit: 'ms',
    no_value: 'none published',
    decimals: 1,
    mappings: panels.bounds(promql.tops(publish)),
    thresholds: [['green'], ['red', config.artifact_publish_max_ms]],
    queries: [panels.range(
      // Without observations the quantile is no number.
      '%s >= 0' % promql.quantile(config.quantile, publish, [], window, narrowed(publish)), '{{drill}}'
    ) + rare],
    w: 5,
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
    no_value: 'none',
    stack: true,
    queries: [panels.range(in_window(flags, ['flag_type'], config.flag_window), '{{flag_type}} {{drill}}')],
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
      panels.column('Flag', { 'custom.width': 200 }),
      panels.column('Flags', { unit: 'locale', decimals: 0 }),
      panels.column('Share', {
        unit: 'percentunit',
        max: 1,
        min: 0,
        color: { mode: 'fixed', fixedColor: 'orange' },
        'custom.cellOptions': { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' },
      }),
    ],
    w: 10,
    h: 9,
  }),

  local outcome = panels.state_timeline({
    title: 'Regression report checks',
    description: |||
      Whether each domain would pass its regression report: it fails while bars were lost or distorted within the last %s
      (%s). Other flags, such as casts, and schema warnings are raised on sound data too.
    ||| % [config.flag_window, std.join(', ', config.flag_types)],
    unit: 'short',
    mappings: panels.value_map([[0, 'pass', 'green'], [1, 'pass, with other flags or warnings', 'blue'], [2, 'fail', 'red']]),
    no_value: 'none',
    queries: [panels.range(
      '2 * (%s > bool 0 == 1)\nor\n%s > bool 0 == 1\nor\n%s > bool 0' % [
        in_window(flags, domain, config.flag_window, [harmful]),
        in_window(flags, domain, config.flag_window),
        in_window(warnings, domain, config.flag_window),
      ],
      domain_legend
    )],
    w: 24,
    h: 8,
  }),

  local warning_rate = panels.timeseries({
    title: 'Schema warnings',
    description: 'Schema warnings per %s of the 20 domains with the most by now.' % config.flag_window,
    unit: 'short',
    min: 0,
    no_value: 'none',
    queries: [panels.range(promql.highest(domain, promql.sum_counter('increase', warnings, domain, config.flag_window, narrowed(warnings))), domain_legend)],
    w: 12,
    h: 8,
  }),

  local collision_count = panels.timeseries({
    title: 'Fingerprint collisions',
    description: 'Reads that returned data whose fingerprint was known already, per %s, of the 20 domains with the most by now: every unchanged read of a window that was read before counts.' % config.collision_window,
    unit: 'short',
    min: 0,
    decimals: 0,
    no_value: 'none',
    queries: [panels.range(promql.highest(domain, promql.sum_counter('increase', collisions, domain, config.collision_window, narrowed(collisions))), domain_legend)],
    w: 12,
    h: 8,
  }),

  local publish_latency = panels.timeseries({
    title: 'Artifact publish latency: p50, p95, p99',
    description: 'Time taken to publish an artifact, over %s at least. The dashed line is where SeamlessArtifactPublishSlow fires; points mark a p99 at the top bucket: it is at least that.' % config.slow_window,
    unit: 'ms',
    min: 0,
    no_value: 'none published',
    thresholds: [['transparent'], ['red', config.artifact_publish_max_ms]],
    queries: [
      panels.range(promql.bound_named(promql.quantile(0.99, publish, [], window, narrowed(publish)), publish), 'p99 {{bound}} {{drill}}') + rare,
    ] + [
      panels.range(promql.quantile(q, publish, [], window, narrowed(publish)), 'p%g {{drill}}' % (q * 100)) + rare
      for q in [0.95, 0.5]
    ],
    limit: config.artifact_publish_max_ms,
    overrides: [panels.top_mark],
    w: 12,
    h: 9,
  }),

  local bytes = panels.timeseries({
    title: 'Artifact bytes written',
    description: 'Bytes of artifacts written per second, of the 20 domains with the most by now.',
    unit: 'Bps',
    min: 0,
    no_value: 'none written',
    stack: true,
    queries: [panels.range(promql.highest(domain, promql.sum_counter('rate', 'artifact_bytes_written', domain, window, narrowed('artifact_bytes_written'))), domain_legend)],
    w: 12,
    h: 9,
  }),

  dashboard: dashboard.dashboard({
    uid: 'seamless-conformance-quality',
    description: 'Is the data what it claims to be, and do its artifacts arrive?',
    choices: [],
    questions: [
      {
        question: 'Is the data bad?',
        panels: [
          total('Bars lost or distorted', 5, 'Flags within the range shown that mean lost or distorted data: %s.' % std.join(', ', config.flag_types), in_range(flags, [], [harmful]), [['green'], ['orange', 1]]),
          total('Flags', 5, 'Bars flagged by the conformance pipeline within the range shown, casts and normalisations of sound data among them.', in_range(flags, []), [['blue']]),
          total('Schema warnings raised', 5, 'Schema warnings within the range shown; sound data raises them too.', in_range(warnings, []), [['blue']]),
          total('Collisions', 4, 'Unchanged reads of windows that were read before, within the range shown.', in_range(collisions, []), [['blue']]),
          publish_now,
        ],
      },
      { question: 'What is wrong with it?', panels: [flag_rate, breakdown] },
      { question: 'Whose data is it?', panels: [outcome, warning_rate, collision_count] },
      { question: 'Do artifacts arrive?', panels: [publish_latency, bytes] },
    ],
  }),
}
