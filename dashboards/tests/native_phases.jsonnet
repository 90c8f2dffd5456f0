// Each phase's native histograms are judged by its budget, beside buckets or without them.
local schema = import '../lib/schema.libsonnet';
local shared = import 'shared.libsonnet';

local family = 'seamless_sla_deadline_seconds';
// Ten requests per minute, two of them over budget.
local native(edge) =
  local of(count, within, over) =
    '{{schema:-53 custom_values:[%g] sum:%d count:%d buckets:[%d %d]}}' % [edge, count, count, within, over];
  '%s+%sx20' % [of(0, 0, 0), of(10, 8, 2)];

local judged(phase) =
  local budget = shared.config[phase + '_budget'];
  local of(name) = { phase: phase, node_id: name };
  local idle = '{{schema:-53 custom_values:[%g] sum:9 count:9 buckets:[9 0]}}x20' % budget;
  local buckets(name, edge) = [
    shared.series(family + '_count', of(name), '0+10x20'),
    shared.series(family + '_bucket', of(name) { le: '%g' % edge }, '0+8x20'),
  ];
  local ask(recorded, value) =
    shared.ask('round(60 * %s{phase="%s"})' % [recorded, phase], '10m', [shared.sample({ phase: phase }, value)]);
  shared.test(
    phase,
    [shared.series(family, of(name), native(budget)) for name in ['native', 'both', 'edgeless']]
    + [shared.series(family, of('idle'), idle)]
    + std.flatMap(function(edge) buckets('buckets at %g' % edge, edge), shared.promql.edges(budget))
    + std.flatMap(function(edge) [shared.series(family, of('both at %g' % edge), native(budget))] + buckets('both at %g' % edge, edge), shared.promql.edges(budget))
    + buckets('both', budget)
    + buckets('edgeless', 0.5),
    local nodes = 3 + 2 * std.length(shared.promql.edges(budget));
    [
      ask('seamless:sla_observations:rate5m', 10 * nodes),
      ask('seamless:sla_observations_over_budget:rate5m', 2 * nodes),
    ]
  );

shared.file('30s', [judged(phase) for phase in schema.phase_order] + [
  shared.test(
    'without requests there is no p99',
    [shared.series(family, { phase: 'total' }, '{{schema:0 sum:9 count:9 buckets:[9]}}x20')],
    [shared.ask('seamless_sla_total_p99_seconds', '10m', [])]
  ),
])
