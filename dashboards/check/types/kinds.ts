// What a dashboard file may hold: Grafana's own types, made fit for JSON.
//
// Owns nothing but the gaps of those types, which by themselves refuse correct files (a string enum takes
// no string) and let wrong ones pass (a panel's options are an open record): here each kind of panel has
// the options that Grafana's schema gives it. Units, reducers and colours are plain strings to it.
import type * as schema from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen.d.ts';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen.d.ts';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.d.ts';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts';

// As JSON writes it: an enum is its literals, and what has a default may be left out.
type Json<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer Item)[]
      ? Json<Item>[]
      : unknown extends T
        ? any
        : T extends object
          ? { [Key in keyof T]?: Json<T[Key]> }
          : T;

type Datasource = { type: 'prometheus'; uid: string };
type Place = { x: number; y: number; w: number; h: number };

// The Prometheus data source's own; its package has no published types.
type Query = {
  refId: string;
  expr: string;
  datasource: Datasource;
  legendFormat: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  range: boolean;
  editorMode: 'code' | 'builder';
  exemplar?: boolean;
  interval?: string;
  hide?: boolean;
};

type Standard = Json<Omit<schema.FieldConfig, 'custom'>>;
type Override = {
  matcher: { id: 'byName' | 'byRegexp' | 'byType' | 'byFrameRefID' | 'byNames' | 'byValue'; options: unknown };
  // Which are right depends on the panel: Property below.
  properties: { id: string; value: unknown }[];
};
type Organize = {
  id: 'organize';
  options: {
    excludeByName?: Record<string, boolean>;
    indexByName?: Record<string, number>;
    renameByName?: Record<string, string>;
    includeByName?: Record<string, boolean>;
  };
};
type Transformation = Organize | { id: 'merge'; options: Record<string, never> };

type Drawn<Type extends string, Options, Custom> = {
  type: Type;
  id: number;
  title: string;
  description: string;
  datasource: Datasource;
  gridPos: Place;
  targets: Query[];
  options: Json<Options>;
  fieldConfig: { defaults: Standard & { custom?: Json<Custom> }; overrides: Override[] };
  transformations?: Transformation[];
};

export type Panels = {
  timeseries: Drawn<'timeseries', timeseries.Options, timeseries.FieldConfig>;
  stat: Drawn<'stat', stat.Options, {}>;
  gauge: Drawn<'gauge', gauge.Options, {}>;
  bargauge: Drawn<'bargauge', bargauge.Options, {}>;
  table: Drawn<'table', table.Options, table.FieldConfig>;
  heatmap: Drawn<'heatmap', heatmap.Options, heatmap.FieldConfig>;
  'state-timeline': Drawn<'state-timeline', timeline.Options, timeline.FieldConfig>;
  row: { type: 'row'; id: number; title: string; collapsed: boolean; gridPos: Place; panels: [] };
};

// A property that an override may set on this kind of panel.
type Custom<Panel> = Panel extends { fieldConfig: { defaults: { custom?: infer Fields } } } ? NonNullable<Fields> : never;
export type Property<Kind extends keyof Panels> =
  | { [Key in keyof Standard & string]: { id: Key; value: Standard[Key] } }[keyof Standard & string]
  | {
      [Key in keyof Custom<Panels[Kind]> & string]: { id: `custom.${Key}`; value: Custom<Panels[Kind]>[Key] };
    }[keyof Custom<Panels[Kind]> & string];

// The query of an annotation is the Prometheus data source's own too.
type Annotation = Json<schema.AnnotationQuery> & {
  expr?: string;
  step?: string;
  tagKeys?: string;
  titleFormat?: string;
  textFormat?: string;
};
// `definition` is what Grafana's list of variables shows; its schema leaves it out.
type Variable = Json<schema.VariableModel> & { definition?: string };

// Everything but the panels.
export type Frame = Omit<
  Json<schema.Dashboard>,
  'panels' | 'title' | 'uid' | 'schemaVersion' | 'templating' | 'annotations'
> & {
  title: string;
  uid: string;
  schemaVersion: 39;
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
};
