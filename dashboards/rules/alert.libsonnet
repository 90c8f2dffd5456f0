// The one shape of an alert: labels, links and texts that every alert carries.
local promql_for = import '../lib/promql.libsonnet';

function(config) {
  local promql = promql_for(config),
  local dashboards = {
    sla: 'seamless-sla-overview',
    backfill: 'seamless-backfill-health',
    conformance: 'seamless-conformance-quality',
  },

  // A dashboard narrowed to what the alert is about; a drill's link shows synthetic series.
  local dashboard_url(dashboard, variables) =
    local narrowed = std.join('', [
      '{{ with $labels.%(v)s }}&var-%(v)s={{ . | urlquery }}{{ end }}' % { v: v }
      for v in variables + ['drill']
    ]);
    '%s/d/%s?from=now-3h%s' % [config.grafana_url, dashboards[dashboard], narrowed],

  // name, severity, expr, summary, description; optional: pending, labels, and a detail which stands on a
  // line of its own below the description.
  // dashboard: sla | backfill | conformance; variables: the labels that its link narrows to.
  alert(spec):: {
    alert: spec.name,
    expr: spec.expr,
    [if std.objectHas(spec, 'pending') then 'for']: spec.pending,
    labels: { severity: spec.severity, service: 'seamless' }
            + (if std.objectHas(spec, 'labels') then spec.labels else {}),
    annotations: {
      summary: spec.summary,
      description: std.stripChars(std.strReplace(spec.description, '\n', ' '), ' ')
                   + (if std.objectHas(spec, 'detail') then '\n' + spec.detail else ''),
      runbook_url: '%s#%s' % [config.runbook_url, std.asciiLower(spec.name)],
      dashboard_url: dashboard_url(spec.dashboard, spec.variables),
    },
  },

  // The place an alert is about, as its texts write it.
  domain:: '{{ $labels.node_id }}, interval {{ $labels.interval }}, world {{ $labels.world_id }}',

  one_line(text):: std.join(' ', [std.stripChars(line, ' ') for line in std.split(std.stripChars(text, '\n'), '\n')]),

  // A query inside an annotation, narrowed to the alert's own series: `labels`, and the kept labels (a
  // drill's alert must not quote real series, nor the other way round). `expr` is a function of the
  // matchers.
  query(labels, expr)::
    local own = labels + config.keep_labels;
    local values = std.join(' ', ['$labels.%s' % l for l in own]);
    'printf `%s` %s | query' % [expr(['%s=%%[%d]q' % [own[i], i + 1] for i in std.range(0, std.length(own) - 1)]), values],

  // What a quantile of a family of milliseconds is at the moment of firing, behind a semicolon; nothing where there is
  // none. At the top edge of a known layout it is a bound.
  quantile_now(q, family, labels, window)::
    bounded(q, [top / 1000 for top in promql.tops(family)], self.query(labels, function(own) (
      '(%s) / 1000' % promql.quantile(q, family, labels, window, own)
    ))),
  // The same of what is recorded of a family.
  recorded_quantile(q, family, recorded, labels)::
    bounded(q, promql.tops(family), self.query(labels, function(own) promql.higher(labels, [
      'histogram_quantile(%g, %s{%s})' % [q, name, std.join(', ', own)]
      for name in recorded
    ]))),
  local bounded(q, tops, query) =
    '{{ with %s }}{{ with index . 0 }}; the p%g is {{ if or%s }}at least {{ end }}{{ .Value | humanizeDuration }}{{ end }}{{ end }}' % [
      query,
      q * 100,
      std.join('', [' (eq .Value %s)' % float(top) for top in tops]),
    ],
  // With a point, so that a template compares it with a value.
  local float(number) = if number == std.floor(number) then '%.1f' % number else '%g' % number,

  // A sentence that lists what a query in an annotation returns; nothing when it returns nothing.
  list(title, query, label, value)::
    '{{ with %s }}%s:{{ range $i, $s := . }}{{ if $i }},{{ end }} {{ $s.Labels.%s }} ({{ $s.Value | %s }}){{ end }}.{{ end }}'
    % [query, title, label, value],
}
