// One panel, drawn by Grafana's component for it.
//
// Gauge, heatmap and state timeline are not among the published components: plain stand-ins show their
// data, and say that they are stand-ins.
import * as data from '@grafana/data';
import * as ui from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import type { Span } from './query';

type Props = { panel: any; frames: data.DataFrame[]; width: number; height: number; span: Span; theme: data.GrafanaTheme2 };

const same = (value: any) => value;
// As Grafana's time series panel does: a value that is no number, such as a quantile of nothing, is a gap.
const withGaps = (frames: data.DataFrame[]) =>
  frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) =>
      field.type === data.FieldType.number
        ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
        : field
    ),
  }));
export const standIns = ['gauge', 'heatmap', 'state-timeline'];

export function Visualization(props: Props) {
  const { panel, frames, width, height, span, theme } = props;
  if (!frames.length || !frames.some((frame) => frame.length))
    return <div style={{ textAlign: 'center', paddingTop: height / 2 - 12 }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
  switch (panel.type) {
    case 'timeseries': {
      const range = { from: data.dateTime(span.from * 1000), to: data.dateTime(span.to * 1000) };
      return (
        <ui.TimeSeries
          {...({ frames: withGaps(frames), width, height, timeRange: { ...range, raw: range }, timeZone: 'utc', legend: panel.options.legend, options: panel.options } as any)}
        />
      );
    }
    case 'table':
      return (
        <TableNG
          {...({ data: frames[0], width, height, noHeader: !panel.options.showHeader, cellHeight: panel.options.cellHeight, initialSortBy: panel.options.sortBy, fieldConfig: panel.fieldConfig, getActions: () => [], structureRev: 1, transparent: false } as any)}
        />
      );
    case 'heatmap':
      return <Heatmap {...props} />;
    case 'state-timeline':
      return <Timeline {...props} />;
    default:
      return <Values {...props} />;
  }
}

function Values({ panel, frames, width, height, theme }: Props) {
  const { options, fieldConfig } = panel;
  const values = data.getFieldDisplayValues({
    fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables: same,
    theme,
    data: frames,
    timeZone: 'utc',
    sparkline: panel.type === 'stat' && options.graphMode !== 'none',
  });
  const bars = panel.type === 'bargauge';
  const across = !bars && width >= height;
  const size = across ? { width: width / values.length, height } : { width, height: height / values.length };
  return (
    <div style={{ display: 'flex', flexDirection: across ? 'row' : 'column' }}>
      {values.map((value, index) =>
        bars ? (
          <ui.BarGauge
            key={index}
            {...({ ...size, value: value.display, field: value.field, theme, displayMode: options.displayMode, orientation: options.orientation, itemSpacing: 8, showUnfilled: options.showUnfilled, valueDisplayMode: options.valueMode, namePlacement: options.namePlacement, display: value.view?.getFieldDisplayProcessor(value.colIndex!) } as any)}
          />
        ) : (
          <ui.BigValue
            key={index}
            {...({ ...size, value: value.display, sparkline: value.sparkline, colorMode: options.colorMode ?? 'value', graphMode: options.graphMode ?? 'none', justifyMode: options.justifyMode ?? 'center', textMode: options.textMode ?? 'auto', theme, count: values.length } as any)}
          />
        )
      )}
    </div>
  );
}

const name = (frame: data.DataFrame) => data.getFieldDisplayName(frame.fields[1], frame);
// Where a point in time lies, from 0 to 1.
const place = (time: number, span: Span) => (time / 1000 - span.from) / (span.to - span.from);

function Heatmap({ frames, width, height, span }: Props) {
  // Grafana makes rows of cumulative buckets when it is told that they are a heatmap.
  const rows = frames.map((frame, row) => ({
    label: name(frame),
    cells: new Map<number, number>(
      frame.fields[0].values.map((time, at) => {
        const below = row ? frames[row - 1].fields[1].values[frames[row - 1].fields[0].values.indexOf(time)] ?? 0 : 0;
        return [time, frame.fields[1].values[at] - below];
      })
    ),
  }));
  const top = Math.max(...rows.flatMap((row) => [...row.cells.values()]), 1e-9);
  const cell = { width: ((width - 60) * span.step) / (span.to - span.from), height: height / rows.length };
  return (
    <svg width={width} height={height} fontSize={10} fill="#ccccdc">
      {rows.map((row, index) => {
        const y = height - (index + 1) * cell.height;
        return (
          <g key={index}>
            <text x={0} y={y + cell.height * 0.8}>{row.label}</text>
            {[...row.cells].map(([time, count]) =>
              count > 1e-9 ? (
                <rect key={time} x={50 + (width - 60) * place(time, span)} y={y} width={cell.width - 1} height={cell.height - 1} fill="#ff780a" opacity={0.2 + 0.8 * Math.sqrt(count / top)} />
              ) : null
            )}
          </g>
        );
      })}
    </svg>
  );
}

function Timeline({ frames, width, height, span, panel }: Props) {
  const rows = frames.slice(0, panel.options.perPage);
  const step = Math.min(28, height / rows.length);
  const unit = ((width - 250) * span.step) / (span.to - span.from);
  return (
    <svg width={width} height={height} fontSize={11} fill="#ccccdc">
      {rows.map((frame, index) => (
        <g key={index}>
          <text x={0} y={index * step + step * 0.7}>{name(frame).slice(0, 40)}</text>
          {frame.fields[0].values.map((time, at) => {
            const shown = frame.fields[1].display!(frame.fields[1].values[at]);
            return <rect key={time} x={250 + (width - 250) * place(time, span)} y={index * step + 1} width={unit + 0.5} height={step - 2} fill={shown.color} />;
          })}
        </g>
      ))}
    </svg>
  );
}
