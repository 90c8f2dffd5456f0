// Small constructors for the panels that the dashboards use, and the grid they are laid out on.
// Each panel states title, description, unit and queries; the rest has one default here.
local datasource = { type: 'prometheus', uid: '${datasource}' };

// Without the noise of binary fractions: 2.4, not 2.4000000000000004.
local round(value) = std.floor(value * 1e6 + 0.5) / 1e6;

local thresholds(steps) = {
  mode: 'absolute',
  // The first step reaches down to minus infinity.
  steps: [
    { color: steps[i][0], value: if i == 0 then null else round(steps[i][1]) }
    for i in std.range(0, std.length(steps) - 1)
  ],
};

local hidden = { legend: false, tooltip: false, viz: false };

local base(type, spec) = {
  type: type,
  title: spec.title,
  description: std.stripChars(std.strReplace(spec.description, '\n', ' '), ' '),
  datasource: datasource,
  targets: [
    spec.queries[i] { refId: std.char(65 + i), datasource: datasource }
    for i in std.range(0, std.length(spec.queries) - 1)
  ],
  fieldConfig: {
    defaults: {
                unit: spec.unit,
                color: { mode: 'thresholds' },
                mappings: [],
                thresholds: thresholds([['green']]),
                custom: {},
              } + (if std.objectHas(spec, 'min') then { min: spec.min } else {})
              + (if std.objectHas(spec, 'max') then { max: spec.max } else {})
              + (if std.objectHas(spec, 'decimals') then { decimals: spec.decimals } else {})
              + (if std.objectHas(spec, 'no_value') then { noValue: spec.no_value } else {})
              + (if std.objectHas(spec, 'mappings') then { mappings: spec.mappings } else {})
              + (if std.objectHas(spec, 'thresholds') then { thresholds: thresholds(spec.thresholds) } else {}),
    overrides: if std.objectHas(spec, 'overrides') then spec.overrides else [],
  },
  [if std.objectHas(spec, 'transformations') then 'transformations']: spec.transformations,
  // Size on the grid of 24 columns; the position comes from `layout`.
  gridPos: { w: spec.w, h: spec.h },
};

local last = { calcs: ['lastNotNull'], fields: '', values: false };

{
  datasource: datasource,

  // Queries.
  range(expr, legend):: {
    expr: std.stripChars(expr, '\n'),
    legendFormat: legend,
    editorMode: 'code',
    range: true,
    instant: false,
    format: 'time_series',
  },
  instant(expr, legend=''):: self.range(expr, legend) { range: false, instant: true },
  table_of(expr):: self.instant(expr) { format: 'table' },
  // Of rare events: `$__rate_interval` is at least so many seconds, four times the query's least step.
  rate_over(seconds):: { interval: '%ds' % std.ceil(seconds / 4) },
  buckets(expr):: self.range(expr, '{{le}}') { format: 'heatmap' },

  // Panels.
  timeseries(spec)::
    // Where the lowest line is the one that hurts.
    local lowest = std.objectHas(spec, 'lowest') && spec.lowest;
    base('timeseries', spec) {
      fieldConfig+: { defaults+: {
        color: { mode: 'palette-classic' },
        custom: {
          drawStyle: 'line',
          lineInterpolation: 'linear',
          // A line on the axis itself is still seen.
          lineWidth: if lowest then 2 else 1,
          fillOpacity: if std.objectHas(spec, 'stack') then 40 else 8,
          gradientMode: 'none',
          // A value between two gaps is a point.
          showPoints: 'auto',
          spanNulls: false,
          stacking: { group: 'A', mode: if std.objectHas(spec, 'stack') then 'normal' else 'none' },
          thresholdsStyle: { mode: if std.objectHas(spec, 'thresholds') then 'dashed' else 'off' },
          axisPlacement: 'auto',
          axisLabel: '',
          scaleDistribution: { type: 'linear' },
          hideFrom: hidden,
          // The highest line is seen even where all is well.
          [if std.objectHas(spec, 'thresholds') && std.objectHas(spec, 'limit') then 'axisSoftMax']: round(spec.limit),
        },
      } },
      options: {
        legend: {
          showLegend: true,
          displayMode: 'table',
          placement: 'bottom',
          calcs: ['lastNotNull', if lowest then 'min' else 'max'],
          // What hurts stands first.
          sortBy: if lowest then 'Min' else 'Max',
          sortDesc: !lowest,
        },
        tooltip: { mode: 'multi', sort: if lowest then 'asc' else 'desc' },
      },
    },

  stat(spec):: base('stat', spec) {
    options: {
      reduceOptions: last,
      orientation: 'auto',
      textMode: 'auto',
      colorMode: 'background',
      graphMode: 'area',
      justifyMode: 'auto',
      wideLayout: true,
    },
  },

  gauge(spec):: base('gauge', spec) {
    options: {
      reduceOptions: last,
      orientation: 'auto',
      showThresholdLabels: false,
      showThresholdMarkers: true,
      minVizWidth: 75,
      minVizHeight: 75,
      sizing: 'auto',
    },
  },

  bargauge(spec):: base('bargauge', spec) {
    options: {
      reduceOptions: last,
      orientation: 'horizontal',
      displayMode: 'basic',
      valueMode: 'color',
      namePlacement: 'auto',
      sizing: 'auto',
      showUnfilled: true,
      minVizWidth: 8,
      minVizHeight: 16,
      maxVizHeight: 300,
      legend: { showLegend: false, displayMode: 'list', placement: 'bottom', calcs: [] },
    },
  },

  table(spec):: base('table', spec) {
    fieldConfig+: { defaults+: {
      custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, filterable: true },
    } },
    options: {
      showHeader: true,
      cellHeight: 'sm',
      sortBy: [{ displayName: spec.sort, desc: !std.objectHas(spec, 'descending') || spec.descending }],
    },
  },

  heatmap(spec):: base('heatmap', spec) {
    fieldConfig+: { defaults+: { custom: { hideFrom: hidden, scaleDistribution: { type: 'linear' } } } },
    options: {
      calculate: false,
      cellGap: 1,
      cellValues: { unit: 'short' },
      color: { mode: 'scheme', scheme: 'Oranges', fill: 'dark-orange', scale: 'exponential', exponent: 0.5, steps: 64, reverse: false },
      exemplars: { color: 'rgba(255,0,255,0.7)' },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: 'auto' },
      tooltip: { mode: 'single', yHistogram: false, showColorScale: false },
      yAxis: { axisPlacement: 'left', reverse: false, unit: spec.unit },
    },
  },

  state_timeline(spec):: base('state-timeline', spec) {
    fieldConfig+: { defaults+: { custom: { lineWidth: 0, fillOpacity: 80, hideFrom: hidden } } },
    options: {
      mergeValues: true,
      showValue: 'never',
      alignValue: 'left',
      rowHeight: 0.9,
      perPage: 20,
      legend: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] },
      tooltip: { mode: 'single', sort: 'none' },
    },
  },

  // Says of a quantile in milliseconds that stands at a top bucket that it is a bound.
  bounds(tops)::
    local text(ms) = if ms < 1000 then '%g ms' % ms else if ms < 60000 then '%g s' % (ms / 1000) else '%g min' % (ms / 60000);
    self.value_map([[top, 'at least ' + text(top)] for top in tops]),

  // A series that is named "at least": a quantile that stands at its top bucket.
  local bound(properties) = { matcher: { id: 'byRegexp', options: '/at least/' }, properties: properties },
  // Drawn as points.
  top_mark:: bound([
    { id: 'custom.drawStyle', value: 'points' },
    { id: 'custom.pointSize', value: 8 },
    { id: 'color', value: { mode: 'fixed', fixedColor: 'purple' } },
  ]),
  // A bound under the budget does not say that all is well.
  unknown_below(limit):: bound([{ id: 'thresholds', value: thresholds([['purple'], ['red', limit]]) }]),

  // Value mappings: [value, text, colour]; without a colour the thresholds give one.
  value_map(entries):: [{
    type: 'value',
    options: {
      [std.toString(entries[i][0])]: { text: entries[i][1], index: i } + (if std.length(entries[i]) > 2 then { color: entries[i][2] } else {})
      for i in std.range(0, std.length(entries) - 1)
    },
  }],

  // One column of a table: its name, and unit or width where given.
  column(name, properties):: {
    matcher: { id: 'byName', options: name },
    properties: [{ id: id, value: properties[id] } for id in std.objectFields(properties)],
  },

  // Questions and their panels to Grafana's list: a row each, panels from left to right, every line
  // filled to its 24 columns.
  layout(questions)::
    local place(state, panel) =
      local wraps = state.x + panel.gridPos.w > 24;
      local x = if wraps then 0 else state.x;
      local y = if wraps then state.y + state.h else state.y;
      assert !wraps || state.x == 24 : 'the line before "%s" leaves a gap' % panel.title;
      assert wraps || state.x == 0 || state.h == panel.gridPos.h : '"%s" is not as high as its line' % panel.title;
      {
        x: x + panel.gridPos.w,
        y: y,
        h: panel.gridPos.h,
        panels: state.panels + [panel { gridPos+: { x: x, y: y } }],
      };
    local question(state, entry) =
      local row = {
        type: 'row',
        title: entry.question,
        collapsed: false,
        panels: [],
        gridPos: { x: 0, y: state.y, w: 24, h: 1 },
      };
      local done = std.foldl(place, entry.panels, { x: 0, y: state.y + 1, h: 0, panels: [] });
      assert done.x == 24 : 'the last line of "%s" leaves a gap' % entry.question;
      { y: done.y + done.h, panels: state.panels + [row] + done.panels };
    local all = std.foldl(question, questions, { y: 0, panels: [] }).panels;
    [all[i] { id: i + 1 } for i in std.range(0, std.length(all) - 1)],
}
