// SeamlessDomainGateHolds: each answer, and each reason for it.
local shared = import 'shared.libsonnet';

local domain(node) = { node_id: node, interval: '60', world_id: 'w' };
local most = shared.config.gate_answers_per_window;
local gate(family, answer) = shared.test(
  '%s answers surge by a fault, or by a breach where the data is what the breach says' % answer,
  [
    shared.series('%s_total' % family, domain(case.node) + { reason: case.reason }, case.values)
    for case in [
      { node: 'violations', reason: 'sla_violation', values: '0+1x60' },
      { node: 'few', reason: 'sla_violation', values: '0x35 %dx25' % (most - 1) },
      { node: 'sound', reason: 'freshness_breach', values: '0+4x60' },
      { node: 'sound', reason: 'coverage_breach', values: '0+4x60' },
      { node: 'stale', reason: 'freshness_breach', values: '0+4x60' },
      { node: 'stale', reason: 'coverage_breach', values: '0+4x60' },
      { node: 'low', reason: 'freshness_breach', values: '0+4x60' },
      { node: 'low', reason: 'coverage_breach', values: '0+4x60' },
    ]
  ] + [
    shared.series('live_staleness_seconds', domain('sound'), '150x60'),
    shared.series('coverage_ratio', domain('sound'), '0.9x60'),
    shared.series('live_staleness_seconds', domain('stale'), '100x10 400+60x60'),
    shared.series('coverage_ratio', domain('low'), '1x10 0.5x60'),
  ],
  [
    shared.ask(
      shared.firing('SeamlessDomainGateHolds', ['node_id', 'reason', 'answer']),
      '40m',
      [
        shared.sample({ node_id: 'violations', reason: 'sla_violation', answer: answer }),
        shared.sample({ node_id: 'stale', reason: 'freshness_breach', answer: answer }),
        shared.sample({ node_id: 'low', reason: 'coverage_breach', answer: answer }),
      ]
    ),
  ]
);

shared.file('1m', [gate('domain_gate_holds', 'HOLD'), gate('partial_fill_returns', 'PARTIAL_FILL')])
