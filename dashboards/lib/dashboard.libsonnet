// What the three dashboards have in common: data source, variables, annotations, links.
local panels = import 'panels.libsonnet';
local schema = import 'schema.libsonnet';

local titles = {
  'seamless-sla-overview': 'Seamless SLA Overview',
  'seamless-backfill-health': 'Backfill Coordinator Health',
  'seamless-conformance-quality': 'Conformance Quality',
};

// Where the values of a label come from: families that have one series per domain or limiter.
local source = {
  node_id: 'coverage_ratio{%s}',
  interval: 'coverage_ratio{%s}',
  world_id: 'coverage_ratio{%s}',
  limiter: 'seamless_rl_tokens_available{%s}',
};
// The label variables of each dashboard; a link hands on those that the other one has too.
local variables = {
  'seamless-sla-overview': schema.domain_labels,
  'seamless-backfill-health': schema.domain_labels + ['limiter'],
  'seamless-conformance-quality': schema.domain_labels,
};
local names = { node_id: 'Node', interval: 'Interval', world_id: 'World', limiter: 'Limiter' };

local all = { text: ['All'], value: ['$__all'], selected: true };

function(config) {
  local hide_drills = '^$',

  // The matchers that narrow a family to what the dashboard's variables select.
  matchers(variables, labels)::
    ['%s=~"$%s"' % [v, v] for v in variables if std.member(labels, v)] + ['drill=~"$drill"'],
  family_matchers(variables, family):: self.matchers(variables, schema.families[family].labels),

  local datasource = {
    name: 'datasource',
    label: 'Data source',
    description: 'The Prometheus that scrapes the Seamless runtime and evaluates its rules.',
    type: 'datasource',
    query: 'prometheus',
    regex: config.datasource_regex,
    refresh: 1,
    hide: 0,
    multi: false,
    includeAll: false,
    options: [],
    current: {},
  },
  local label(name) = {
    local query = 'label_values(%s, %s)' % [source[name] % 'drill=~"$drill"', name],
    name: name,
    label: names[name],
    description: 'Narrows every panel whose metrics carry `%s`.' % name,
    type: 'query',
    datasource: panels.datasource,
    definition: query,
    query: { qryType: 1, query: query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
    regex: '',
    refresh: 2,
    sort: 1,
    hide: 0,
    multi: true,
    includeAll: true,
    allValue: '.*',
    options: [],
    current: all,
  },
  local choice(name, label, description, entries) = {
    name: name,
    label: label,
    description: description,
    type: 'custom',
    query: std.join(', ', ['%s : %s' % entry for entry in entries]),
    hide: 0,
    multi: false,
    includeAll: false,
    options: [
      { text: entry[0], value: entry[1], selected: entry == entries[0] }
      for entry in entries
    ],
    current: { text: entries[0][0], value: entries[0][1], selected: true },
  },
  local drill = choice('drill', 'Synthetic series', 'Series that a drill injected: left out unless chosen.', [
    ['hide', hide_drills],
    ['show', '.*'],
    ['only', '.+'],
  ]),
  percentile:: choice('percentile', 'Percentile', 'Which percentile the panels per domain show.', [
    ['p99', '0.99'],
    ['p95', '0.95'],
    ['p50', '0.5'],
  ]),

  local link(title, url) = {
    type: 'link',
    title: title,
    url: url,
    tooltip: '',
    icon: 'external link',
    tags: [],
    asDropdown: false,
    keepTime: true,
    includeVars: false,
    targetBlank: false,
  },

  local kept = std.join(' ', ['{{%s}}' % label for label in config.keep_labels]),
  local shared(one, other) = [v for v in variables[one] if std.member(variables[other], v)],
  variables(uid):: variables[uid],

  // uid, description, choices (further variables), questions.
  dashboard(spec):: {
    uid: spec.uid,
    title: titles[spec.uid],
    description: spec.description,
    tags: config.dashboard_tags,
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    refresh: config.dashboard_refresh,
    time: { from: config.dashboard_from, to: 'now' },
    timezone: config.dashboard_timezone,
    timepicker: {},
    fiscalYearStartMonth: 0,
    weekStart: '',
    links: [
      link(titles[uid], '/d/%s?%s' % [
        uid,
        std.join('&', ['${%s:queryparam}' % v for v in ['datasource'] + shared(spec.uid, uid) + ['drill']]),
      ])
      for uid in std.objectFields(titles)
      if uid != spec.uid
    ] + [link('Runbook', config.runbook_url) { icon: 'doc', keepTime: false, targetBlank: true }],
    templating: {
      list: [datasource] + [label(v) for v in variables[spec.uid]] + spec.choices + [drill],
    },
    annotations: {
      list: [
        {
          name: 'Annotations & Alerts',
          builtIn: 1,
          datasource: { type: 'grafana', uid: '-- Grafana --' },
          enable: true,
          hide: true,
          iconColor: 'rgba(0, 211, 255, 1)',
          type: 'dashboard',
        },
        {
          name: 'Seamless alerts',
          datasource: panels.datasource,
          enable: true,
          hide: false,
          iconColor: 'red',
          expr: 'ALERTS{alertname=~"Seamless.+", alertstate="firing", severity!="none", drill=~"$drill"}',
          titleFormat: '{{alertname}}',
          textFormat: '{{severity}} {{phase}} {{node_id}} {{lease_key}}',
          tagKeys: 'alertname,severity,drill',
          step: '60s',
        },
      ],
    },
    // A legend names every label that aggregations keep.
    panels: [
      panel { [if std.objectHas(panel, 'targets') then 'targets']: [
        target { legendFormat: std.strReplace(target.legendFormat, '{{drill}}', kept) }
        for target in panel.targets
      ] }
      for panel in panels.layout(spec.questions)
    ],
  },
}
