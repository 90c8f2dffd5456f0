// Each phase's native histograms are judged by its budget, beside buckets or without them.
local schema = import '../lib/schema.libsonnet';
local shared = import 'shared.libsonnet';

local family = 'seamless_sla_deadline_seconds';
local all = shared.promql.sla.all;
local over = shared.promql.sla.over;
local without_edge = shared.promql.sla.without_edge;
// Ten requests per minute, two of them over budget.
local native(edge) =
  local of(count, within, over) =
    '{{schema:-53 custom_values:[%g] sum:%d count:%d buckets:[%d %d]}}' % [edge, count, count, within, over];
  '%s+%sx20' % [of(0, 0, 0), of(10, 8, 2)];

local judged(phase) =
  local budget = shared.config[phase + '_budget'];
  local of(name) = { phase: phase, node_id: name };
  // Edges that end below the budget judge where nothing lies beyond them.
  local ends_below(beyond) =
    '{{schema:-53 custom_values:[0.5] sum:0 count:0 buckets:[0 0]}}+{{schema:-53 custom_values:[0.5] sum:9 count:10 buckets:[%d %d]}}x20'
    % [10 - beyond, beyond];
  local idle = '{{schema:-53 custom_values:[%g] sum:9 count:9 buckets:[9 0]}}x20' % budget;
  local buckets(name, edge) = [
    shared.series(family + '_count', of(name), '0+10x20'),
    shared.series(family + '_bucket', of(name) { le: '%g' % edge }, '0+8x20'),
  ];
  local ask(recorded, value) =
    shared.ask('round(60 * %s{phase="%s"})' % [recorded, phase], '10m', [
      shared.sample({ phase: phase }, value),
      shared.sample({ phase: phase, drill: 'within' }, if recorded == all then 10 else 0),
    ]);
  shared.test(
    phase,
    [shared.series(family, of(name), native(budget)) for name in ['native', 'both', 'edgeless']]
    + [
      shared.series(family, of('idle'), idle),
      shared.series(family, of('beyond'), ends_below(2)),
      shared.series(family, of('within') { drill: 'within' }, ends_below(0)),
    ]
    + std.flatMap(function(edge) buckets('buckets at %g' % edge, edge), shared.promql.edges(budget))
    + std.flatMap(function(edge) [shared.series(family, of('both at %g' % edge), native(budget))] + buckets('both at %g' % edge, edge), shared.promql.edges(budget))
    + buckets('both', budget)
    + buckets('edgeless', 0.5),
    local nodes = 3 + 2 * std.length(shared.promql.edges(budget));
    [
      ask(all, 10 * nodes),
      ask(over, 2 * nodes),
      shared.ask(without_edge + '{phase="%s"}' % phase, '10m', [
        { labels: without_edge + shared.labels({ phase: phase }), value: 1 },
      ]),
    ]
  );

// Converted buckets that end below the budget: the mean of what lies beyond them, of all that the phase observed.
local beyond(phase, top) =
  local limit = shared.config[phase + '_budget'];
  local node(drill, name, edges, counts, sum) =
    local of(sum, counts) =
      '{{schema:-53 custom_values:[%s] sum:%s count:%d buckets:[%s]}}'
      % [std.join(' ', ['%g' % edge for edge in edges]), sum, std.foldl(function(all, count) all + count, counts, 0), std.join(' ', ['%d' % count for count in counts])];
    shared.series(
      family,
      { phase: phase, drill: drill, node_id: name },
      '%s+%sx20' % [of(0, [0 for count in counts]), of(sum, counts)]
    );
  // A tenth takes twice the budget; the rest is counted as the top.
  local slow(drill) = node(drill, 'a', [top], [90, 10], 90 * top + 20 * limit);
  local mean(drill) = shared.sample({ phase: phase, drill: drill, top: '%g' % top, form: 'native' }, 2 * limit);
  shared.test(
    '%s, beyond a top edge of %g s' % [phase, top],
    [
      slow('alone'),
      slow('beside'),
      // Nothing beyond its own edges, which are enough to judge it.
      node('beside', 'b', [top, limit], [100, 0, 0], 100),
      // Over budget, by its own edge and by exponential buckets.
      node('beside', 'c', [limit], [0, 100], 900 * limit),
      shared.series(family, { phase: phase, drill: 'beside', node_id: 'd' }, '{{schema:0 sum:0 count:0 buckets:[0] offset:8}}+{{schema:0 sum:2000 count:10 buckets:[10] offset:8}}x20'),
      // No more than the objective allows, of all that is known.
      slow('rare'),
      node('rare', 'b', [limit], [2000, 0], 2000),
    ],
    [shared.ask('round(seamless:sla_beyond_top:mean_seconds)', '10m', [mean('alone'), mean('beside')])]
  );

shared.file('30s', [judged(phase) for phase in schema.phase_order] + [
  beyond(phase, top)
  for phase in schema.phase_order
  for top in shared.promql.tops_below(shared.config[phase + '_budget'])
] + [
  shared.test(
    'without requests there is no p99',
    [shared.series(family, { phase: 'total' }, '{{schema:0 sum:9 count:9 buckets:[9]}}x20')],
    [shared.ask('seamless_sla_total_p99_seconds', '10m', [])]
  ),
])
