// The limit of live data's age that each interval has, and what was within its limit or whole between two
// evaluations only. Evaluated at the pace of the group that keeps the day.
local durations = import '../lib/duration.libsonnet';
local shared = import 'shared.libsonnet';

local config = shared.config;
local intervals = config.intervals;
local limit(interval) = (config.bars_held_back + 1) * interval + config.max_staleness;
local of(node, interval) = { node_id: node, interval: '%d' % interval };
local age(node, interval, values) = shared.series('live_staleness_seconds', of(node, interval), values);
local by = 'count by (node_id, interval) (seamless:live_staleness_seconds:%s)';

shared.file(config.day_evaluation_interval, [
  shared.test(
    'each interval has its own limit, and a day beyond it is a backtest',
    std.flatMap(function(interval) [
      age('at the limit', interval, '%dx30' % limit(interval)),
      age('late', interval, '0x10 %dx20' % (limit(interval) + 1)),
      // Within its limit only between two evaluations of what was so within the last day.
      age('late soon', interval, '_x6 0x1 %dx20' % (limit(interval) + 1)),
      age('backtest', interval, '0x10 %dx20' % (limit(interval) + durations.seconds(config.lookback))),
    ], intervals),
    [
      shared.ask(by % 'within_limit', '20m', [shared.sample(of('at the limit', interval)) for interval in intervals]),
      shared.ask(by % 'over_limit', '20m', [
        shared.sample(of(node, interval))
        for interval in intervals
        for node in ['late', 'late soon']
      ]),
    ]
  ),
  shared.test(
    'the best coverage of the day counts, however short',
    [shared.series('coverage_ratio', of('low soon', 60), '_x6 1x1 0.5x20')],
    [shared.ask('count by (node_id, interval) (seamless:coverage_ratio:low)', '20m', [shared.sample(of('low soon', 60))])]
  ),
])
