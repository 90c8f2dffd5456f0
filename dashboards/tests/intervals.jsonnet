// The limit of live data's age that each interval has.
local durations = import '../lib/duration.libsonnet';
local shared = import 'shared.libsonnet';

local config = shared.config;
local intervals = config.intervals;
local limit(interval) = (config.bars_held_back + 1) * interval + config.max_staleness;
local of(node, interval) = { node_id: node, interval: '%d' % interval };
local age(node, interval, values) = shared.series('live_staleness_seconds', of(node, interval), values);
local by = 'count by (node_id, interval) (seamless:live_staleness_seconds:%s)';

shared.file('1m', [
  shared.test(
    'each interval has its own limit, and a day beyond it is a backtest',
    std.flatMap(function(interval) [
      age('at the limit', interval, '%dx30' % limit(interval)),
      age('late', interval, '0x10 %dx20' % (limit(interval) + 1)),
      age('backtest', interval, '0x10 %dx20' % (limit(interval) + durations.seconds(config.lookback))),
    ], intervals),
    [
      shared.ask(by % 'within_limit', '20m', [shared.sample(of('at the limit', interval)) for interval in intervals]),
      shared.ask(by % 'over_limit', '20m', [shared.sample(of('late', interval)) for interval in intervals]),
    ]
  ),
])
