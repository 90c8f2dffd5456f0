// Panels over a fleet of which some nodes expose buckets, some native histograms, and some both.
local mixin = import '../mixin.libsonnet';
local shared = import 'shared.libsonnet';

local family = 'seamless_sla_deadline_seconds';
// The first query of a panel, its variables filled in.
local query(title, more={}) =
  local panels = [
    panel
    for dashboard in std.objectValues(mixin.grafanaDashboards)
    for panel in dashboard.panels
    if panel.title == title
  ];
  local values = { __rate_interval: '5m', percentile: '0.99', node_id: '.*', interval: '.*', world_id: '.*', drill: '^$' } + more;
  std.foldl(
    function(text, name) std.strReplace(text, '$' + name, values[name]),
    // The longer of two names that begin alike first.
    std.sort(std.objectFields(values), function(name) -std.length(name)),
    panels[0].targets[0].expr
  );

// Ten requests a minute, of which each takes 4 to 8 (offset 3) or 128 to 256 (offset 8).
local native(offset) =
  local of(count) = '{{schema:0 count:%d sum:%d buckets:[%d] offset:%d}}' % [count, 100 * count, count, offset];
  '%s+%sx20' % [of(0), of(10)];
// Ten requests a minute, of which each takes 5 to 10.
local buckets(of) = [
  shared.series(family + '_bucket', of { le: le }, if le == '5.0' then '0x20' else '0+10x20')
  for le in ['5.0', '10.0', '60.0', '120.0', '240.0', '+Inf']
] + [shared.series(family + '_count', of, '0+10x20')];
local total(name) = { phase: 'total', node_id: name };
local at(le, expr) = 'round((%s) and on (le) label_replace(vector(1), "le", "%s", "", ""))' % [expr, le];
local drawn(le, value, more={}) =
  shared.ask(at(le, query('Whole request: distribution', more)), '10m', [shared.sample({ le: le }, value)]);

// As Grafana writes a chosen value into a pattern.
local odd = 'ohlcv:a.b+c (1)';
local escaped = 'ohlcv:a\\\\.b\\\\+c \\\\(1\\\\)';

shared.file('30s', [
  shared.test(
    'one healthy node with buckets does not hide nine native ones over budget',
    buckets(total('n0'))
    + [shared.series(family, total('n%d' % n), native(8)) for n in std.range(1, 9)]
    + [shared.series(family, total('idle'), '{{schema:0 sum:9 count:9 buckets:[9]}}x20')]
    + [
      shared.series('seamless_total_ms_bucket', { node_id: 'n0', interval: '60', world_id: 'w', le: le }, '0+10x20')
      for le in ['5000.0', '+Inf']
    ]
    + [
      shared.series('seamless_total_ms', { node_id: 'n%d' % n, interval: '60', world_id: 'w' }, native(8))
      for n in std.range(1, 9)
    ],
    [
      drawn('60.0', 50),
      drawn('120.0', 50),
      // Between 128 s and 256 s by their logarithm.
      drawn('240.0', 50 + 408),
      drawn('+Inf', 50 + 9 * 50),
      drawn('+Inf', 50, { node_id: 'n3' }),
      shared.ask('(%s) > bool 60' % query('Whole request: p50, p95, p99'), '10m', [shared.sample({})]),
      shared.ask('(%s) > bool 2' % query('p99 as a share of its budget'), '10m', [shared.sample({})]),
      shared.ask('count(%s)' % query('Whole request per domain'), '10m', [shared.sample({}, 10)]),
    ]
  ),
  shared.test(
    'a node that exposes both is counted once',
    buckets(total('both')) + [shared.series(family, total('both'), native(8))],
    [drawn('10.0', 50), drawn('+Inf', 50)]
  ),
  shared.test(
    'a chosen node is that one, whatever its name holds',
    [shared.series(family, total(odd), native(3)), shared.series(family, total('ohlcv:axbbc 1'), native(8))],
    [drawn('10.0', 50, { node_id: escaped }), drawn('+Inf', 50, { node_id: escaped })]
  ),
  shared.test(
    'a p99 at the top bucket says that it is at least that',
    [
      shared.series(family + '_bucket', total('n0') { le: '5.0' }, '0x20'),
      shared.series(family + '_bucket', total('n0') { le: '10.0' }, '0x20'),
      shared.series(family + '_bucket', total('n0') { le: '+Inf' }, '0+10x20'),
    ],
    [
      shared.ask(query('Whole request: p50, p95, p99'), '10m', [shared.sample({ bound: 'at least' }, 10)]),
      shared.ask('round(100 * %s)' % ('(%s)' % query('p99 as a share of its budget')), '10m', [shared.sample({ bound: 'at least' }, 17)]),
    ]
  ),
  shared.test(
    'a lease that ended is not drawn, one that lies still is',
    [
      shared.series('seamless_leases_listed_timestamp_seconds', { coordinator: 'c', job: 'j', instance: 'i' }, '0+60x20'),
      shared.series('seamless_lease_completion_ratio', { coordinator: 'c', job: 'j', instance: 'i', lease_key: 'n:60:1:2::' }, '0.1x20'),
      shared.series('seamless_lease_completion_ratio', { coordinator: 'c', job: 'j', instance: 'i', lease_key: 'n:60:2:3::' }, '0x5 stale'),
    ],
    [
      shared.ask('count(last_over_time((%s)[10m:1m]))' % query('Completion per lease'), '10m', [shared.sample({}, 1)]),
      shared.ask(query('Stuck now'), '2m', [shared.sample({}, 0)]),
    ]
  ),
])
