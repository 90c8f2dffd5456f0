// Counters whose series the first event creates: it counts whole, unless the target is new and its process old.
local shared = import 'shared.libsonnet';

local target(instance) = { job: 'seamless', instance: instance };
local targets = [
  shared.series('up', target('known'), '1x60'),
  shared.series('process_start_time_seconds', target('known'), '-90000x60'),
  shared.series('up', target('new process'), '_x30 1x30'),
  shared.series('process_start_time_seconds', target('new process'), '_x30 1740x30'),
  shared.series('up', target('new target'), '_x30 1x30'),
  shared.series('process_start_time_seconds', target('new target'), '_x30 -90000x30'),
  shared.series('up', target('back'), '1x4 0x25 1x30'),
  shared.series('process_start_time_seconds', target('back'), '-90000x4 _x26 -90000x30'),
];

// A node each, and whether its 30 events (or more) are seen.
local cases(names) = [
  { node: 'born', name: names[0], on: 'known', values: '_x30 30x30', seen: true },
  { node: 'of a new process', name: names[0], on: 'new process', values: '_x30 30x30', seen: true },
  { node: 'of a new target', name: names[0], on: 'new target', values: '_x30 30x30', seen: false },
  { node: 'of no target', name: names[0], on: 'nowhere', values: '_x30 30x30', seen: false },
  { node: 'back', name: names[0], on: 'back', values: '30x4 _x26 30x30', seen: false },
  { node: 'long ago', name: names[0], on: 'known', values: '30x60', seen: false },
  { node: 'on and on', name: names[0], on: 'elsewhere', values: '0+3x60', seen: true },
] + (
  if std.length(names) == 1 then [] else [
    { node: 'born, other name', name: names[1], on: 'known', values: '_x30 30x30', seen: true },
    { node: 'long ago, other name', name: names[1], on: 'known', values: '30x60', seen: false },
    { node: 'on and on, other name', name: names[1], on: 'elsewhere', values: '0+3x60', seen: true },
  ]
);

local burst(title, names, labels, expr, expected=function(case) case.seen, others=function(case) []) = shared.test(
  title,
  targets + std.flatMap(
    function(case) [
      shared.series(case.name, { node_id: case.node, interval: '60' } + labels + target(case.on), case.values),
    ] + others(case),
    cases(names)
  ),
  [shared.ask(expr, '32m', [shared.sample({ node_id: case.node }) for case in cases(names) if expected(case)])]
);

local counter(family, labels, expr) = burst('bursts of ' + family, shared.promql.counter_names(family), labels, expr);
local recorded(family, window) = 'count by (node_id) (%s > 20)' % shared.promql.increase_name(family, window);
local world = { world_id: 'w' };
local config = shared.config;

shared.file('1m', [
  counter(
    'seamless_conformance_flag_total',
    world { flag_type: 'gap' },
    shared.firing('SeamlessConformanceFlagSpike', ['node_id'])
  ),
  counter('backfill_failure_total', {}, recorded('backfill_failure_total', config.backfill_failure_window)),
  counter('domain_gate_holds', world { reason: 'sla_violation' }, 'count by (node_id) (seamless:domain_gate_holds:surge > 20)'),
  counter('partial_fill_returns', world { reason: 'sla_violation' }, 'count by (node_id) (seamless:partial_fill_returns:surge > 20)'),
  // Against 25 failures of the same node, repairs that are seen keep the alert quiet.
  burst(
    'bursts of repairs',
    ['gap_repair_latency_ms_count'],
    world,
    shared.firing('SeamlessBackfillFailing', ['node_id']),
    function(case) !case.seen,
    function(case) [
      shared.series('backfill_failure_total', { node_id: case.node, interval: '60' } + target('known'), '_x30 25x30'),
    ],
  ),
])
