// Expressions that rules and dashboards share. Each covers every form in which a family may be
// exposed: a counter with and without `_total`, a histogram in buckets or native, `le` as "60" or
// "60.0". `or` rather than a pattern on the name: a runtime that shows both forms is counted once.
local durations = import 'duration.libsonnet';
local schema = import 'schema.libsonnet';

function(config) {
  local promql = self,

  // The labels of an aggregation, the kept ones included.
  by(labels):: std.join(', ', labels + config.keep_labels),

  // The share of requests that may miss the objective, without the noise of binary fractions.
  error_budget:: std.floor((1 - config.slo_objective) * 1e9 + 0.5) / 1e9,

  // A selector's braces, empty for no matchers.
  braces(matchers)::
    local given = [m for m in matchers if m != ''];
    if given == [] then '' else '{%s}' % std.join(', ', given),

  // A number as PromQL writes it; a dashboard variable stands for one.
  number(value):: if std.isString(value) then value else if value == 0 then '0' else '%.12g' % value,

  // A counter's two names, `_total` first.
  counter_names(family)::
    assert schema.families[family].type == 'counter' : family + ' is no counter';
    if std.endsWith(family, '_total') then [family, std.substr(family, 0, std.length(family) - 6)]
    else [family + '_total', family],

  // rate or increase of a counter, unaggregated.
  counter(func, family, window, matchers=[])::
    std.join(' or ', [
      '%s(%s%s[%s])' % [func, name, promql.braces(matchers), window]
      for name in promql.counter_names(family)
    ]),

  sum_counter(func, family, labels, window, matchers=[])::
    'sum by (%s) (%s)' % [promql.by(labels), promql.counter(func, family, window, matchers)],

  // A counter whose series was not there before `recent`, at its value of now.
  born(family, window, recent, matchers=[])::
    std.join(' or ', [
      '(%(name)s%(braces)s unless last_over_time(%(name)s%(braces)s[%(window)s] offset %(recent)s))'
      % { name: name, braces: promql.braces(matchers), window: window, recent: recent }
      for name in promql.counter_names(family)
    ]),

  above(expr, threshold):: '%s > %s' % [expr, promql.number(threshold)],

  // Each form compared by itself: where a fleet has both, neither hides the other.
  any_above(exprs, threshold):: std.join('\nor\n', [promql.above(expr, threshold) for expr in exprs]) + '\n',

  // A histogram's expression for its buckets, and the one for the native form where there is one.
  forms(buckets, native):: [buckets] + (if config.native_histograms then [native] else []),

  // The forms of a histogram's quantile, buckets first.
  quantiles(q, family, labels, window, matchers=[])::
    assert schema.families[family].type == 'histogram' : family + ' is no histogram';
    local braces = promql.braces(matchers);
    promql.forms(
      'histogram_quantile(%s, sum by (%s) (rate(%s_bucket%s[%s])))'
      % [promql.number(q), promql.by(labels + ['le']), family, braces, window],
      'histogram_quantile(%s, sum by (%s) (rate(%s%s[%s])))'
      % [promql.number(q), promql.by(labels), family, braces, window],
    ),

  // One quantile, whichever form there is.
  quantile(q, family, labels, window, matchers=[])::
    std.join(' or ', promql.quantiles(q, family, labels, window, matchers)),

  // Observations per second, whichever form there is.
  count_rate(family, labels, window, matchers=[])::
    local of = { by: promql.by(labels), family: family, braces: promql.braces(matchers), window: window };
    std.join(' or ', promql.forms(
      'sum by (%(by)s) (rate(%(family)s_count%(braces)s[%(window)s]))' % of,
      'histogram_count(sum by (%(by)s) (rate(%(family)s%(braces)s[%(window)s])))' % of,
    )),

  // Observations per bucket, as a heatmap draws them.
  distribution(family, window, matchers=[])::
    local of = { family: family, braces: promql.braces(matchers), window: window };
    std.join(' or ', promql.forms(
      'sum by (le) (increase(%(family)s_bucket%(braces)s[%(window)s]))' % of,
      'sum (increase(%(family)s%(braces)s[%(window)s]))' % of,
    )),

  // A matcher on a bucket's edge, however the client writes it.
  le(edge)::
    local text = promql.number(edge);
    if std.member(text, '.') then 'le="%s"' % text else 'le=~"%s([.]0)?"' % text,

  // The share of observations above `edge`. Without traffic there is none: no NaN is recorded.
  share_above(family, edge, labels, window, matchers=[])::
    local of = {
      by: promql.by(labels),
      family: family,
      window: window,
      number: promql.number(edge),
      edge: promql.braces(matchers + [promql.le(edge)]),
      all: promql.braces(matchers),
    };
    std.join('or\n', promql.forms(
      |||
        1 - (
          sum by (%(by)s) (rate(%(family)s_bucket%(edge)s[%(window)s]))
          / (sum by (%(by)s) (rate(%(family)s_count%(all)s[%(window)s])) > 0)
        )
      ||| % of,
      |||
        1 - histogram_fraction(0, %(number)s, sum by (%(by)s) (rate(%(family)s%(all)s[%(window)s])))
      ||| % of,
    )),

  // Observations per second above `edge`, 0 without any.
  rate_above(family, edge, labels, window, matchers=[])::
    local of = {
      by: promql.by(labels),
      family: family,
      window: window,
      number: promql.number(edge),
      edge: promql.braces(matchers + [promql.le(edge)]),
      all: promql.braces(matchers),
      native: 'sum by (%s) (rate(%s%s[%s]))' % [promql.by(labels), family, promql.braces(matchers), window],
    };
    std.join('or\n', promql.forms(
      |||
        sum by (%(by)s) (rate(%(family)s_count%(all)s[%(window)s]))
        - sum by (%(by)s) (rate(%(family)s_bucket%(edge)s[%(window)s]))
      ||| % of,
      |||
        (histogram_count(%(native)s) > 0) * (1 - histogram_fraction(0, %(number)s, %(native)s))
        or
        histogram_count(%(native)s)
      ||| % of,
    )),

  // Leases. A worker keeps the gauge of a lease that ended, so a value that has not moved for long is
  // history. Several workers may report one lease: the highest ratio is how far it has come.
  local lease_family = 'backfill_completion_ratio',
  local lease_labels = promql.by(schema.families[lease_family].labels),
  local window(text) = durations.window(config, text),
  lease:: {
    by: lease_labels,

    ratio(matchers=[]):: 'max by (%s) (%s%s)' % [lease_labels, lease_family, promql.braces(matchers)],

    // How far each lease has come, history left out. A gap in scraping of up to an hour does not make
    // history young again.
    live:: |||
      (
        max by (%(by)s) (
          %(series)s unless (
            changes(%(series)s[%(history)s]) == 0
            and present_over_time(%(series)s[%(gap)s] offset %(history)s)
          )
        )
      )
    ||| % {
      by: lease_labels,
      series: lease_family,
      history: window(config.lease_history_after),
      gap: window('1h'),
    },
    // The same as a recording rule stores it, for dashboards: looking back for hours at every step of
    // a graph is slow.
    recorded_name:: 'seamless:backfill_lease:live',
    recorded(matchers=[]):: promql.lease.recorded_name + promql.braces(matchers) + '\n',

    in_progress(live):: '%s< 1\n' % live,

    // Under the stuck ratio now. The right side sees what happened between two evaluations: a lease
    // that reached the ratio there, if only for one scrape, starts anew.
    under(live, matchers=[])::
      |||
        %(live)s< %(stuck)s
        unless
        max by (%(by)s) (max_over_time(%(series)s[%(between)s])) >= %(stuck)s
      ||| % {
        live: live,
        by: lease_labels,
        series: lease_family + promql.braces(matchers),
        stuck: promql.number(config.stuck_ratio),
        between: window(config.evaluation_interval),
      },

    // In progress, without any. No worker's value moved, and the lease is no further than it was: one
    // that changes hands and goes on from a higher ratio has made progress.
    stale(live, matchers=[])::
      |||
        %(in_progress)sand
        max by (%(by)s) (changes(%(series)s[%(window)s])) == 0
        unless
        max by (%(by)s) (%(series)s) > max by (%(by)s) (%(series)s offset %(window)s)
        and
        max by (%(by)s) (%(series)s offset %(window)s)
      ||| % {
        in_progress: promql.lease.in_progress(live),
        by: lease_labels,
        series: lease_family + promql.braces(matchers),
        window: window(config.stale_claim_window),
      },
  },
}
