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

  // The share of observations that may lie above a threshold on the quantile, and the same in percent.
  local rounded(value, digits) = std.floor(value * std.pow(10, digits) + 0.5) / std.pow(10, digits),
  allowed_share:: rounded(1 - config.quantile, 9),
  allowed_percent:: rounded((1 - config.quantile) * 100, 6),

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

  // Labels by which Prometheus tells a target's own series (`up`) from another's.
  target_labels:: ['job', 'instance'] + [l for l in config.keep_labels if l != schema.drill_label],

  // By how much a counter grew within the window. A series that appears with its first event is born with
  // a value that increase() cannot see: such a one counts whole, provided that its target was scraped when
  // the window began (and did not show it), or that its process is younger than the window. Otherwise it
  // may be old, and only seen for the first time.
  grown(names, window, matchers=[])::
    local series = [name + promql.braces(matchers) for name in names];
    local born = std.join('or\n', ['%s unless %s offset %s\n' % [one, one, window] for one in series]);
    std.join('or\n', [
      |||
        (
        %(born)s)
        and on (%(target)s) (up offset %(window)s == 1 or process_start_time_seconds > time() - %(seconds)s)
      ||| % {
        born: promql.indented(born),
        window: window,
        target: std.join(', ', promql.target_labels),
        // A dashboard's own window has its seconds in another variable.
        seconds: if std.startsWith(window, '$') then window + '_s' else promql.number(durations.seconds(window)),
      },
    ] + ['increase(%s[%s])\n' % [one, window] for one in series]),
  grown_counter(family, labels, window, matchers=[])::
    'sum by (%s) (\n%s)' % [
      promql.by(labels),
      promql.indented(promql.grown(promql.counter_names(family), window, matchers)),
    ],

  indented(text):: std.join('', ['  %s\n' % line for line in std.split(std.stripChars(text, '\n'), '\n')]),

  // What is recorded of a counter's growth.
  increase_name(family, window)::
    'seamless:%s:increase%s' % [std.strReplace(family, '_total', ''), window],

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

  // What the buckets say and what native histograms say of the same thing, as one vector that holds both.
  both(buckets, native)::
    if config.native_histograms then
      'label_replace(%s, "form", "buckets", "", "")\nor\n%s' % [buckets, native]
    else buckets,
  summed(labels, buckets, native):: 'sum by (%s) (\n%s)' % [promql.by(labels), promql.indented(promql.both(buckets, native))],

  // The quantile of a fleet. Where some of it exposes buckets and some native histograms, the higher of the two
  // quantiles: that of the whole is no higher.
  quantile(q, family, labels, window, matchers=[])::
    promql.higher(labels, promql.quantiles(q, family, labels, window, matchers)),
  higher(labels, forms)::
    if std.length(forms) == 1 then forms[0]
    else 'max by (%s) (label_replace(%s, "form", "buckets", "", "") or %s)' % [promql.by(labels), forms[0], forms[1]],

  // Observations per second, in both forms together.
  count_rate(family, labels, window, matchers=[])::
    local of = { by: promql.by(labels), family: family, braces: promql.braces(matchers), window: window };
    promql.summed(
      labels,
      'sum by (%(by)s) (rate(%(family)s_count%(braces)s[%(window)s]))' % of,
      'histogram_count(sum by (%(by)s) (rate(%(family)s%(braces)s[%(window)s]) unless rate(%(family)s_count%(braces)s[%(window)s])))' % of,
    ),

  // Observations per bucket, as a heatmap draws them. It draws one form only, so that native histograms are counted
  // at the edges of the schema's buckets: as many reads as the buckets of as many nodes would be.
  distribution(family, window, matchers=[])::
    local of = { family: family, braces: promql.braces(matchers), window: window };
    local native = 'sum (increase(%(family)s%(braces)s[%(window)s]) unless increase(%(family)s_count%(braces)s[%(window)s]))' % of;
    local edge(le, count) = 'label_replace(%s, "le", "%s", "", "")' % [count, le];
    'sum by (le) (\n%s)' % promql.indented(std.join('\nor\n', promql.forms(
      'increase(%(family)s_bucket%(braces)s[%(window)s])' % of,
      std.join('\nor\n', [
        edge(
          // As the client libraries and today's Prometheus write it.
          if std.member(promql.number(le), '.') then promql.number(le) else promql.number(le) + '.0',
          // Without observations the share is no number.
          '(histogram_count(%s) > 0) * histogram_fraction(0, %s, %s)' % [native, promql.number(le), native]
        )
        for le in schema.families[family].buckets
      ] + [edge('+Inf', 'histogram_count(%s)' % native)]),
    ))),

  // The 20 series that stand out at the right edge of what is drawn, over all of its time. A topk() of each moment would
  // draw pieces of many more. `expr` has no brackets but those of its selectors.
  local at_end(expr) = if std.member(expr, ']') then std.strReplace(expr, ']', '] @ end()') else std.strReplace(expr, '}', '} @ end()'),
  local outstanding(select, labels, expr) =
    '%s\nand on (%s)\n%s(20, %s)' % [expr, promql.by(labels), select, at_end(expr)],
  highest(labels, expr):: outstanding('topk', labels, expr),
  lowest(labels, expr):: outstanding('bottomk', labels, expr),

  // No such series is 0, where alerts are evaluated at all: one of them fires always.
  or_none(expr):: '%s or 0 * max(ALERTS{alertname="SeamlessWatchdog", alertstate="firing"})' % expr,

  // A matcher on a bucket's edge, however the client writes it.
  le(edge)::
    local text = promql.number(edge);
    if std.member(text, '.') then 'le="%s"' % text else 'le=~"%s([.]0)?"' % text,

  // The edges at which series of the known layouts are judged against `budget` (s): the lowest edge of each
  // layout that is no less.
  edges(budget)::
    std.set([
      std.foldl(std.min, above, above[0])
      for layout in std.objectValues(config.bucket_layouts)
      for above in [[edge for edge in layout if edge >= budget]]
      if above != []
    ]),
  // The top edges that a family's buckets may have: the schema's, and those of other layouts, which know no units.
  tops(family)::
    local top(layout) = layout[std.length(layout) - 1];
    std.set([top(schema.families[family].buckets)] + [
      top(config.bucket_layouts[name])
      for name in std.objectFields(config.bucket_layouts)
      if name != 'schema'
    ]),
  // A quantile where it stands at a top edge, which is to say that it is a bound.
  local at_top(quantile, family) =
    std.join(' or ', ['(%s) == %s' % [quantile, promql.number(top)] for top in promql.tops(family)]),
  // The quantile, with a label that says so where it is a bound.
  bound_named(quantile, family)::
    'label_replace(%s, "bound", "at least", "", "") or ignoring (bound) (%s)' % [at_top(quantile, family), quantile],
  // The top edges of the layouts that have no such edge.
  tops_below(budget)::
    std.set([
      layout[std.length(layout) - 1]
      for layout in std.objectValues(config.bucket_layouts)
      if layout[std.length(layout) - 1] < budget
    ]),

  // Observations per second at or below the budget's edge, for each series that has one: its own.
  within(family, edges, window, matchers=[])::
    std.join(' or ignoring (le) ', [
      'rate(%s_bucket%s[%s])' % [family, promql.braces(matchers + [promql.le(edge)]), window]
      for edge in edges
    ]),

  // Native histograms that cannot be judged at a threshold: buckets converted to native ones (custom buckets) keep
  // their edges, and beyond the highest, here below the threshold, nobody knows how much lies above it.
  // The quantile 1 stops at that edge; that of exponential buckets lies above everything observed.
  beyond_top(family, threshold, window, matchers=[])::
    '(histogram_quantile(1, %(rate)s) < %(threshold)s and histogram_fraction(%(threshold)s, +Inf, %(rate)s) > 0)'
    % { rate: 'rate(%s%s[%s])' % [family, promql.braces(matchers), window], threshold: promql.number(threshold) },

  // Native histograms that can be judged at the threshold, each by itself: of converted ones, a sum keeps only the
  // edges that all of them have.
  local native(family, threshold, window, matchers) =
    'histogram_count(rate(%s%s[%s]) unless %s)' % [
      family,
      promql.braces(matchers),
      window,
      promql.beyond_top(family, threshold, window, matchers),
    ],
  // The native half of a share above the threshold, from the share that would be none.
  local native_above(none, family, threshold, window, matchers) =
    '(%s > 0) * (%s - histogram_fraction(0, %s, rate(%s%s[%s])))' % [
      native(family, threshold, window, matchers),
      none,
      promql.number(threshold),
      family,
      promql.braces(matchers),
      window,
    ],
  // Both forms, series by series: `or` leaves out the native form of a series that an edge of its buckets judges, so
  // that a target that exposes both counts once.
  local by_series(labels, buckets, native) =
    'sum by (%s) (\n%s)' % [promql.by(labels), promql.indented(std.join('\nor\n', promql.forms(buckets, native)))],

  // Observations per second that can be judged at the edges, and those of them above.
  judged(family, budget, edges, labels, window, matchers=[])::
    by_series(
      labels,
      'rate(%s_count%s[%s]) and ignoring (le) (%s)'
      % [family, promql.braces(matchers), window, promql.within(family, edges, window, matchers)],
      native(family, budget, window, matchers),
    ),
  over(family, budget, edges, labels, window, matchers=[])::
    by_series(
      labels,
      'rate(%s_count%s[%s]) - ignoring (le) (%s)'
      % [family, promql.braces(matchers), window, promql.within(family, edges, window, matchers)],
      native_above('1', family, budget, window, matchers),
    ),

  // Above 0 where more than a share of `1 - quantile` of the observations lies above the edge, which is to
  // say that the quantile does. Reads two series of a histogram, where a quantile reads all of its buckets.
  excess(quantile, family, edge, labels, window, matchers=[])::
    local share = promql.number(quantile);
    by_series(
      labels,
      '%s * rate(%s_count%s[%s]) - ignoring (le) %s'
      % [share, family, promql.braces(matchers), window, promql.within(family, [edge], window, matchers)],
      native_above(share, family, edge, window, matchers),
    ),
  // How many observations there were, the buckets' form given as an expression of series.
  counted(family, labels, buckets, window)::
    by_series(labels, std.stripChars(buckets, '\n'), 'histogram_count(increase(%s[%s]))' % [family, window]),

  // What is recorded of the phases, each name `level:metric:operations`.
  sla:: {
    // Observations per second that an edge judges, and those of them over budget.
    all: 'seamless:sla_observations:rate5m',
    over: 'seamless:sla_observations_over_budget:rate5m',
    ratio(window):: 'seamless:sla_error:ratio_rate' + window,
    // Series whose buckets have no such edge, and the least mean of what lies beyond their top edge.
    without_edge: 'seamless:sla_series_without_edge:count',
    beyond_top: 'seamless:sla_beyond_top:mean_seconds',
    // Native histograms with such a top edge, summed.
    native_beyond: 'seamless:sla_native_beyond_top:rate5m',
    // Buckets, and native histograms, of a whole phase.
    buckets: 'seamless:sla_bucket:rate5m',
    native: 'seamless:sla_native:rate5m',
    // The name that the platform's own dashboards ask for.
    total_p99: 'seamless_sla_total_p99_seconds',
  },

  // Leases, by their key: a worker's gauge names node and interval wrongly where a node id holds colons.
  local window(text) = durations.window(config, text),
  // node_id, interval, start, end, world (may be empty) and as-of (may be empty, holds colons).
  local key = '^(.+):([0-9]+):([0-9]+):([0-9]+):([^:]*):(.*)$',
  local from_key(label, group, expr) = 'label_replace(\n%s, "%s", "$%d", "lease_key", "%s")' % [
    std.stripChars(promql.indented(expr), '\n'),
    label,
    group,
    key,
  ],
  lease:: {
    identity: ['lease_key', 'node_id', 'interval', 'world_id'],
    by_key: promql.by(['lease_key']),
    // How far each lease has come that is held or in progress, as the coordinator lists it or, without a fresh
    // list, as the workers' gauges say; -1 where the list does not say.
    ratio: 'seamless:backfill_lease:ratio',
    // Since when a listed lease has been claimed, in seconds.
    age: 'seamless:backfill_lease:age_seconds',
    // There where a list is fresh.
    fresh: 'seamless:backfill_lease_list:fresh',
    // Gauges that history left behind.
    unchanged: 'seamless:backfill_completion_ratio:unchanged',

    fresh_list: 'time() - seamless_leases_listed_timestamp_seconds < %s'
                % promql.number(3 * durations.seconds(window(config.lease_list_period))),
    of_fresh_list: 'and on (%s) (%s)' % [promql.by(['coordinator', 'instance', 'job']), promql.lease.fresh_list],

    // Node, interval and world as the key has them; the labels of the series itself are dropped before.
    identified(expr):: from_key('world_id', 5, from_key('interval', 2, from_key('node_id', 1, expr))),
  },
}
