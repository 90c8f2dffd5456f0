// node check.mjs FOLDER: the dashboards in FOLDER against `@grafana/schema` of Grafana 11 and of 12, panel options
// included.
//
// A dashboard becomes typed constants, one per panel, which the TypeScript compiler judges. Names that are plain
// strings in Grafana's types (units, reducers, colours) are not seen here. Each fault of faults.mjs is planted into
// a dashboard of its own, and must be refused: otherwise the check has lost its worth, and fails.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { faults } from './faults.mjs';

/** Whose types, and the compiler's settings that lead to them. */
const SCHEMAS = { 'Grafana 11': 'tsconfig.json', 'Grafana 12': 'tsconfig-12.json' };

/** A dashboard as TypeScript, which JSON is, and the line that each part of it begins with. */
function source([name, { panels, ...frame }]) {
  const parts = [];
  const lines = ["import type * as kinds from './kinds';"];
  const constant = (place, kind, value) => {
    parts.push({ place, begins: lines.length + 1 });
    const text = `export const part${parts.length}: ${kind} = ${JSON.stringify(value, null, 2)};`;
    lines.push(...text.split('\n'));
  };
  constant(name, 'kinds.Frame', frame);
  for (const panel of panels) {
    const kind = JSON.stringify(panel.type);
    const place = `${name}, panel ${JSON.stringify(panel.title)}`;
    constant(place, `kinds.Panels[${kind}]`, panel);
    const properties = (panel.fieldConfig?.overrides ?? []).flatMap((override) => override.properties);
    for (const property of properties) constant(place, `kinds.Property<${kind}>`, property);
  }
  return { name, parts, lines };
}

const [, , rendered] = process.argv;
const read = (file) => JSON.parse(fs.readFileSync(path.join(rendered, file), 'utf8'));
const committed = fs.readdirSync(rendered).sort();
const planted = Object.entries(faults).map(([fault, plant]) => {
  const dashboard = read('seamless-sla-overview.json');
  plant(dashboard);
  return [fault, dashboard];
});
// In one run: the compiler takes longer to start than to check.
const sources = [...committed.map((file) => [file, read(file)]), ...planted].map(source);

const wrong = [];
// Beside `node_modules`, where the compiler finds the types; two runs do not meet.
const folder = fs.mkdtempSync('run-');
try {
  for (const file of ['kinds.ts', ...Object.values(SCHEMAS)]) fs.copyFileSync(file, path.join(folder, file));
  sources.forEach(({ lines }, at) => fs.writeFileSync(path.join(folder, `${at}.ts`), lines.join('\n') + '\n'));
  const compiler = path.resolve('node_modules/typescript/bin/tsc');
  for (const [schema, settings] of Object.entries(SCHEMAS)) {
    const { stdout } = spawnSync(process.execPath, [compiler, '--pretty', 'false', '-p', settings], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    const refused = new Set();
    for (const said of stdout.split('\n').filter((line) => /^\S.*: error /.test(line))) {
      const [, at, line, message] = /^(\d+)\.ts\((\d+),\d+\): error (.*)$/.exec(said) ?? [];
      if (at === undefined) {
        wrong.push(`${schema}: not a dashboard's fault: ${said}`);
        continue;
      }
      const { name, parts, lines } = sources[at];
      refused.add(name);
      if (committed.includes(name)) {
        const { place } = parts.findLast(({ begins }) => begins <= line);
        wrong.push(`${place}: ${schema}: ${lines[line - 1].trim()} : ${message}`);
      }
    }
    for (const [fault] of planted) if (!refused.has(fault)) wrong.push(`${schema} takes a planted fault: ${fault}`);
  }
} finally {
  fs.rmSync(folder, { recursive: true });
}
for (const line of wrong) console.log(line);
if (!wrong.length) {
  const schemas = Object.keys(SCHEMAS).join(' and ');
  console.log(`${committed.length} dashboards agree with the types of ${schemas}, ${planted.length} faults do not`);
}
process.exit(wrong.length ? 1 : 0);
