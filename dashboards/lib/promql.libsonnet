// Expressions that rules and dashboards share. Each covers every form in which a family may be
// exposed: a counter with and without `_total`, a histogram in buckets or native, `le` as "60" or
// "60.0". `or` rather than a pattern on the name: a runtime that shows both forms is counted once.
local schema = import 'schema.libsonnet';

function(config) {
  local promql = self,

  // The labels of an aggregation, the kept ones included.
  by(labels):: std.join(', ', labels + config.keep_labels),

  // A selector's braces, empty for no matchers.
  braces(matchers)::
    local given = [m for m in matchers if m != ''];
    if given == [] then '' else '{%s}' % std.join(', ', given),

  // A number as PromQL writes it.
  number(value):: '%.12g' % value,

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

  // The two forms of a histogram's quantile, buckets first.
  quantiles(q, family, labels, window, matchers=[])::
    assert schema.families[family].type == 'histogram' : family + ' is no histogram';
    local braces = promql.braces(matchers);
    [
      'histogram_quantile(%s, sum by (%s) (rate(%s_bucket%s[%s])))'
      % [promql.number(q), promql.by(labels + ['le']), family, braces, window],
      'histogram_quantile(%s, sum by (%s) (rate(%s%s[%s])))'
      % [promql.number(q), promql.by(labels), family, braces, window],
    ],

  // One quantile, whichever form there is.
  quantile(q, family, labels, window, matchers=[])::
    std.join(' or ', promql.quantiles(q, family, labels, window, matchers)),

  // A matcher on a bucket's edge, however the client writes it.
  le(edge)::
    local text = promql.number(edge);
    if std.member(text, '.') then 'le="%s"' % text else 'le=~"%s([.]0)?"' % text,

  // The share of observations above `edge`. Without traffic there is none: no NaN is recorded.
  share_above(family, edge, labels, window, matchers=[])::
    |||
      1 - (
        sum by (%(by)s) (rate(%(family)s_bucket%(edge)s[%(window)s]))
        / (sum by (%(by)s) (rate(%(family)s_count%(all)s[%(window)s])) > 0)
      )
      or
      1 - histogram_fraction(0, %(number)s, sum by (%(by)s) (rate(%(family)s%(all)s[%(window)s])))
    ||| % {
      by: promql.by(labels),
      family: family,
      window: window,
      number: promql.number(edge),
      edge: promql.braces(matchers + [promql.le(edge)]),
      all: promql.braces(matchers),
    },

  // Leases. A worker keeps the gauge of a lease that ended, so a value that has not moved for long is
  // history. Several workers may report one lease: the highest ratio is how far it has come.
  local lease = 'backfill_completion_ratio',
  local lease_labels = promql.by(schema.families[lease].labels),
  lease:: {
    by: lease_labels,

    // How far each lease has come, history left out.
    live(history, gap, matchers=[])::
      |||
        max by (%(by)s) (
          %(series)s unless (
            changes(%(series)s[%(history)s]) == 0
            and present_over_time(%(series)s[%(gap)s] offset %(history)s)
          )
        )
      ||| % {
        by: lease_labels,
        series: lease + promql.braces(matchers),
        history: history,
        gap: gap,
      },

    highest(window, matchers=[]):: 'max by (%s) (max_over_time(%s%s[%s]))' % [lease_labels, lease, promql.braces(matchers), window],
    before(window, matchers=[]):: 'max by (%s) (%s%s offset %s)' % [lease_labels, lease, promql.braces(matchers), window],
    changes(window, matchers=[]):: 'max by (%s) (changes(%s%s[%s]))' % [lease_labels, lease, promql.braces(matchers), window],
  },
}
