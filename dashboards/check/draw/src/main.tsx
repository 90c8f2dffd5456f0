// A dashboard file, its variables filled in, on Grafana's grid.
import * as data from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { Component, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { applied, unknown } from './fields';
import { standIns, Visualization } from './panel';
import { frames, type Span } from './query';

const theme = data.createTheme({ colors: { mode: 'dark' } });
const column = 1536 / 24;
const row = 38;

class Fence extends Component<{ children: ReactNode }, { error?: string }> {
  state: { error?: string } = {};
  static getDerivedStateFromError(error: unknown) {
    return { error: String(error) };
  }
  render() {
    return this.state.error ? <pre data-error>{this.state.error}</pre> : this.props.children;
  }
}

function Panel({ panel, found, span }: { panel: any; found: data.DataFrame[] | string; span: Span }) {
  const { x, y, w, h } = panel.gridPos;
  const size = { width: w * column - 8, height: h * row - 8 };
  const style = { position: 'absolute', left: x * column + 4, top: y * row + 4, ...size } as const;
  if (panel.type === 'row') return <h3 style={{ ...style, margin: 0, fontSize: 16, lineHeight: '30px' }}>{panel.title}</h3>;
  const standIn = standIns.includes(panel.type) ? `stand-in for ${panel.type}` : undefined;
  return (
    <div data-panel={panel.title} data-stand-in={standIn} style={style}>
      <Fence>
        {typeof found === 'string' ? (
          <pre data-error>{found}</pre>
        ) : (
          <PanelChrome title={panel.title} {...size}>
            {(width, height) => (
              <Fence>
                <Visualization {...{ panel, frames: found, width, height, span, theme }} />
              </Fence>
            )}
          </PanelChrome>
        )}
      </Fence>
    </div>
  );
}

async function load(panel: any, span: Span): Promise<data.DataFrame[] | string> {
  if (panel.type === 'row') return [];
  try {
    const names = unknown(panel);
    if (names.length) throw new Error(`Grafana does not know ${names.join(', ')}`);
    return await applied(panel, await frames(panel, span), theme);
  } catch (error) {
    return String(error);
  }
}

const { dashboard, span } = await (await fetch('/page.json')).json();
const loaded = await Promise.all(dashboard.panels.map((panel: any) => load(panel, span)));
const height = Math.max(...dashboard.panels.map((panel: any) => panel.gridPos.y + panel.gridPos.h)) * row;
createRoot(document.getElementById('root')!).render(
  <data.ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {/* Not text of the panel: by that is judged whether it was drawn. */}
    <style>{'[data-stand-in]::after { content: attr(data-stand-in); position: absolute; right: 8px; bottom: 2px; font-size: 10px; opacity: 0.6; }'}</style>
    <div id="dashboard" style={{ position: 'relative', width: 1536, height: height + 8 }}>
      {dashboard.panels.map((panel: any, at: number) => (
        <Panel key={panel.id} panel={panel} found={loaded[at]} span={span} />
      ))}
    </div>
  </data.ThemeContext.Provider>
);
// Charts are drawn after the frame that lays them out.
setTimeout(() => document.body.setAttribute('data-drawn', ''), 2000);
