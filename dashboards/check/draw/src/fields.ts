// What Grafana's application registers before a panel is drawn, and a panel's own field options.
import * as data from '@grafana/data';
import { firstValueFrom } from 'rxjs';

const same = (value: any) => value;

data.standardTransformersRegistry.setInit(() => {
  const known = new Map(Object.values(data.standardTransformers).map((t: any) => [t.id, t]));
  return [...known.values()].map((t: any) => ({ id: t.id, name: t.name, transformation: t, editor: same })) as any;
});

const standard: [string, any][] = [
  ['unit', data.unitOverrideProcessor],
  ['min', data.numberOverrideProcessor],
  ['max', data.numberOverrideProcessor],
  ['decimals', data.numberOverrideProcessor],
  ['displayName', data.displayNameOverrideProcessor],
  ['noValue', data.stringOverrideProcessor],
  ['mappings', data.valueMappingsOverrideProcessor],
  ['thresholds', data.thresholdsOverrideProcessor],
  ['color', same],
  ['links', same],
];

// The types of the panels' own options are checked elsewhere: here each that is set is known.
function registry(config: any) {
  const own = new Set<string>(Object.keys(config.defaults.custom ?? {}));
  for (const override of config.overrides)
    for (const { id } of override.properties) if (id.startsWith('custom.')) own.add(id.slice('custom.'.length));
  const entry = { override: same, editor: same, shouldApply: () => true };
  return new data.Registry(
    () =>
      [
        ...standard.map(([id, process]) => ({ ...entry, id, path: id, name: id, process })),
        ...[...own].map((id) => ({ ...entry, id: `custom.${id}`, path: id, name: id, isCustom: true, process: same })),
      ] as any
  ) as any;
}

export async function applied(panel: any, frames: data.DataFrame[], theme: data.GrafanaTheme2): Promise<data.DataFrame[]> {
  const transformed = panel.transformations?.length
    ? await firstValueFrom(data.transformDataFrame(panel.transformations, frames, { interpolate: same }))
    : frames;
  data.cacheFieldDisplayNames(transformed);
  const done = data.applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry(panel.fieldConfig),
    replaceVariables: same,
    theme,
    timeZone: 'utc',
  });
  data.cacheFieldDisplayNames(done);
  return done;
}

const units = new Set(data.getValueFormats().flatMap((group: any) => group.submenu.map((unit: any) => unit.value)));
const reducers = new Set(data.fieldReducers.list().map((reducer) => reducer.id as string));
const palette = data.createTheme().visualization as any;
const colours = new Set(
  palette.hues.flatMap((hue: any) => hue.shades.flatMap((shade: any) => [shade.name, ...(shade.aliases ?? [])]))
);

// Names that are plain strings to Grafana's types: a wrong one draws silently.
export function unknown(panel: any): string[] {
  const found: string[] = [];
  const check = (options: any) => {
    if (options.unit && !units.has(options.unit) && !/^(prefix|suffix|time|si|count|currency|bool):/.test(options.unit))
      found.push(`unit ${options.unit}`);
    const named = [...(options.thresholds?.steps ?? []).map((step: any) => step.color), options.color?.fixedColor];
    for (const colour of named)
      if (colour && colour !== 'transparent' && !/^(#|rgb)/.test(colour) && !colours.has(colour))
        found.push(`colour ${colour}`);
  };
  check(panel.fieldConfig.defaults);
  for (const override of panel.fieldConfig.overrides)
    for (const { id, value } of override.properties) check({ [id]: value });
  for (const reducer of [...(panel.options.reduceOptions?.calcs ?? []), ...(panel.options.legend?.calcs ?? [])])
    if (!reducers.has(reducer)) found.push(`reducer ${reducer}`);
  return found;
}
