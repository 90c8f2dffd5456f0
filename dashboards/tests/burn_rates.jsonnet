// Each pair of windows of SeamlessSlaErrorBudgetBurn needs both of them, and observations to judge by.
local durations = import '../lib/duration.libsonnet';
local shared = import 'shared.libsonnet';

local config = shared.config;
local edge = config.total_budget;
// All requests, those of them within budget.
local requests(drill, all, within) = [
  shared.series('seamless_sla_deadline_seconds_count', { phase: 'total', drill: drill }, all),
  shared.series('seamless_sla_deadline_seconds_bucket', { phase: 'total', drill: drill, le: '%d.0' % edge }, within),
];

local burn(rate) =
  // Half an hour after the short window began, in minutes, a multiple of the evaluation interval.
  local end = 4 * std.ceil((durations.seconds(rate.short) / 60 + 30) / 4);
  shared.test(
    '%s and %s' % [rate.long, rate.short],
    // Ten minutes of heavy traffic, then light one.
    requests('both', '0+100x%d' % end, '0x%d' % end)
    + requests('long alone', '0+100000x10 1000100+100x%d' % end, '0x10 100+100x%d' % end)
    + requests('short alone', '0+10000000x10 100000100+100x%d' % end, '0+10000000x10 100000000x%d' % end)
    + requests('one late request', '0x%d 1x9' % (end - 4), '0x%d' % (end + 5)),
    [shared.ask(
      shared.firing('SeamlessSlaErrorBudgetBurn', ['drill'], ', long_window="%s"' % rate.long),
      '%dm' % end,
      [shared.sample({ drill: 'both' })]
    )]
  );

local windows = std.set(std.flatMap(function(rate) [rate.long, rate.short], config.burn_rates) + [config.quantile_window, config.slo_window]);

// Hours of evaluations, so fewer of them; five minutes apart, a sample is too old for the next one.
shared.file('4m', [burn(rate) for rate in config.burn_rates] + [
  shared.test(
    'without requests there is no share of them',
    requests('idle', '70x20', '70x20'),
    [shared.ask('seamless:sla_error:ratio_rate' + window, '16m', []) for window in windows]
  ),
])
