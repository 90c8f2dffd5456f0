// From a panel's queries to the frames that Grafana's components draw.
import * as data from '@grafana/data';

const { FieldType } = data;

export type Span = { from: number; to: number; step: number };
type Series = { metric: Record<string, string>; values?: [number, string][]; value?: [number, string] };

async function ask(path: string, query: Record<string, string>): Promise<Series[]> {
  const answer = await (await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(query)}`)).json();
  if (answer.status !== 'success') throw new Error(`${query.query}: ${answer.error}`);
  const { resultType, result } = answer.data;
  return resultType === 'scalar' ? [{ metric: {}, value: result }] : result;
}

const points = (series: Series) => series.values ?? (series.value ? [series.value] : []);
const edge = (series: Series) => Number((series.metric.le ?? '').replace('+Inf', 'Infinity'));

function legend(format: string, labels: Record<string, string>): string {
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '').trim();
}

// One frame with a column per label, as the data source makes for tables.
function table(refId: string, found: Series[]): data.DataFrame {
  const labels = [...new Set(found.flatMap((series) => Object.keys(series.metric)))].sort();
  const rows = found.flatMap((series) => points(series).map((point) => ({ labels: series.metric, point })));
  return data.createDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map((row) => row.point[0] * 1000) },
      ...labels.map((name) => ({ name, type: FieldType.string, values: rows.map((row) => row.labels[name] ?? '') })),
      { name: `Value #${refId}`, type: FieldType.number, values: rows.map((row) => Number(row.point[1])) },
    ],
  });
}

export async function frames(panel: any, span: Span): Promise<data.DataFrame[]> {
  const made: data.DataFrame[] = [];
  for (const target of panel.targets) {
    const found = target.instant
      ? await ask('query', { query: target.expr, time: String(span.to) })
      : await ask('query_range', {
          query: target.expr,
          start: String(span.from),
          end: String(span.to),
          step: String(span.step),
        });
    if (target.format === 'table') {
      const frame = table(target.refId, found);
      // With one query the column has no number.
      if (panel.targets.length === 1) frame.fields[frame.fields.length - 1].name = 'Value';
      if (found.length) made.push(frame);
      continue;
    }
    if (target.format === 'heatmap') found.sort((a, b) => edge(a) - edge(b));
    for (const series of found) {
      made.push(
        data.createDataFrame({
          refId: target.refId,
          fields: [
            {
              name: 'Time',
              type: FieldType.time,
              values: points(series).map((point) => point[0] * 1000),
              config: { interval: span.step * 1000 },
            },
            {
              name: 'Value',
              type: FieldType.number,
              values: points(series).map((point) => Number(point[1])),
              labels: series.metric,
              config: { displayNameFromDS: legend(target.legendFormat, series.metric) },
            },
          ],
        })
      );
    }
  }
  return made;
}
