// Faults that Grafana's types must refuse, each to be planted into the overview.

/** The first panel of that kind. */
const panel = (dashboard, kind) => dashboard.panels.find((panel) => panel.type === kind);
const defaults = (dashboard, kind) => panel(dashboard, kind).fieldConfig.defaults;

export const faults = {
  'an unknown option': (d) => (panel(d, 'stat').options.colourMode = 'value'),
  "an option's wrong value": (d) => (panel(d, 'stat').options.colorMode = 'rainbow'),
  'an option of another panel': (d) => (panel(d, 'stat').options.legend = {}),
  'an unknown field option': (d) => (defaults(d, 'timeseries').custom.lineWidht = 2),
  'a number as text': (d) => (defaults(d, 'timeseries').custom.fillOpacity = '20'),
  'an unknown draw style': (d) => (defaults(d, 'timeseries').custom.drawStyle = 'lines'),
  'an unknown default': (d) => (defaults(d, 'timeseries').units = 's'),
  'a threshold as text': (d) => (defaults(d, 'gauge').thresholds.steps[1].value = '1'),
  'a mapping of no kind': (d) => (defaults(d, 'state-timeline').mappings[0].type = 'val'),
  'one reducer where a list is due': (d) => (panel(d, 'stat').options.reduceOptions.calcs = 'last'),
  'a panel of no kind': (d) => (panel(d, 'timeseries').type = 'graph'),
  'an override of nothing': (d) =>
    (panel(d, 'table').fieldConfig.overrides[0].properties[0].id = 'custom.cellOption'),
  "an override's wrong value": (d) =>
    (panel(d, 'table').fieldConfig.overrides[0].properties = [
      { id: 'custom.cellOptions', value: { type: 'colour' } },
    ]),
  'a matcher of no kind': (d) => (panel(d, 'table').fieldConfig.overrides[0].matcher.id = 'byname'),
  'an unknown format': (d) => (panel(d, 'heatmap').targets[0].format = 'heat'),
  'a query without a name': (d) => delete panel(d, 'timeseries').targets[0].refId,
  "a heatmap's wrong colours": (d) => (panel(d, 'heatmap').options.color.mode = 'spectrum'),
  'a legend of no kind': (d) => (panel(d, 'timeseries').options.legend.displayMode = 'tbl'),
  "a footer's fields as text": (d) => (panel(d, 'table').options.footer = { fields: '' }),
  'a transformation of no kind': (d) => (panel(d, 'table').transformations[0].id = 'organise'),
  "a variable's refresh as text": (d) => (d.templating.list[1].refresh = '2'),
  'a variable of no kind': (d) => (d.templating.list[0].type = 'source'),
  'a bundle': (d) => (d.dashboards = []),
};
