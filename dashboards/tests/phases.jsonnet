// Each phase is judged at its own edges, and beyond the top of buckets that have none.
local schema = import '../lib/schema.libsonnet';
local shared = import 'shared.libsonnet';

local config = shared.config;
local family = 'seamless_sla_deadline_seconds';
local budget(phase) = config[phase + '_budget'];
local le(edge) = if edge == std.floor(edge) then '%d.0' % edge else '%g' % edge;
// A node's series: so many requests per minute, so many of them within each edge, so many seconds in all.
local node(of, all, buckets, sum=0) = [
  shared.series(family + '_count', of, '0+%dx20' % all),
  shared.series(family + '_sum', of, '0+%sx20' % sum),
] + [shared.series(family + '_bucket', of { le: le(bucket[0]) }, '0+%dx20' % bucket[1]) for bucket in buckets];
local per_minute(recorded, phase) = 'round(60 * %s{phase="%s"})' % [recorded, phase];

local judged(phase) =
  local edges = shared.promql.edges(budget(phase));
  local of(name) = { phase: phase, node_id: name };
  local ask(recorded, value) = shared.ask(per_minute(recorded, phase), '10m', [shared.sample({ phase: phase }, value)]);
  shared.test(
    phase + ', at the edges of its budget',
    // Each of these has ten requests, two of them over budget.
    std.flatMap(function(edge) node(of('%g' % edge), 10, [[edge, 8]]), edges)
    + node(of('all edges'), 10, [[edges[i], if i == 0 then 8 else 10] for i in std.range(0, std.length(edges) - 1)])
    + node(of('no edge'), 10, [[0.5, 0]]),
    [
      ask('seamless:sla_observations:rate5m', 10 * (std.length(edges) + 1)),
      ask('seamless:sla_observations_over_budget:rate5m', 2 * (std.length(edges) + 1)),
      shared.ask('seamless:sla_series_without_edge:count{phase="%s"}' % phase, '10m', [
        { labels: 'seamless:sla_series_without_edge:count{phase="%s"}' % phase, value: 1 },
      ]),
    ]
  );

local beyond(phase, top) =
  local of(drill, name) = { phase: phase, drill: drill, node_id: name };
  local limit = budget(phase);
  // A tenth of the requests takes so long; the rest is counted as the top.
  local mean(drill, seconds) = node(of(drill, 'a'), 100, [[top, 90]], 90 * top + 10 * seconds);
  shared.test(
    '%s, beyond a top bucket of %g s' % [phase, top],
    mean('over', 2 * limit)
    // Many more requests of a node that its own edge judges.
    + node(of('over', 'edge'), 2000, [[top, 1000], [limit, 2000]], 9000)
    + mean('within', 0.8 * limit)
    + node(of('rare', 'a'), 200, [[top, 199]], 199 * top + 2 * limit),
    [
      shared.ask('round(seamless:sla_beyond_top:mean_seconds)', '10m', [
        shared.sample({ phase: phase, drill: 'over', top: '%g' % top }, 2 * limit),
        shared.sample({ phase: phase, drill: 'within', top: '%g' % top }, 0.8 * limit),
      ]),
      shared.ask(shared.firing('SeamlessSla99thDegraded', ['phase', 'drill']), '10m', [
        shared.sample({ phase: phase, drill: 'over' }),
      ]),
    ]
  );

local approaching(phase) =
  local of(drill) = { phase: phase, drill: drill };
  local slow(drill, share) = node(of(drill), 10, [[0.5 * budget(phase), 0], [share * budget(phase), 10]])
                             + [shared.series(family + '_bucket', of(drill) { le: '+Inf' }, '0+10x20')];
  shared.test(
    phase + ', close to its budget',
    slow('close', 0.9) + slow('far', 0.75),
    [shared.ask(shared.firing('SeamlessSlaBudgetApproaching', ['phase', 'drill']), '10m', [shared.sample(of('close'))])]
  );

shared.file(
  '30s',
  [test(phase) for phase in schema.phase_order for test in [judged, approaching]]
  + [beyond(phase, top) for phase in schema.phase_order for top in shared.promql.tops_below(budget(phase))]
  + [
    shared.test(
      'without requests there is no p99',
      [
        shared.series(family + '_bucket', { phase: 'total', le: edge }, '70x20')
        for edge in ['60.0', '+Inf']
      ],
      [shared.ask('seamless_sla_total_p99_seconds', '10m', [])]
    ),
  ]
)
