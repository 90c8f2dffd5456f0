// node draw.mjs PROMETHEUS-URL PAGE PICTURE.png: draws one page in Chromium: a dashboard (PAGE.json), or any
// page that stands for itself (PAGE.html).
//
// Prints one line per panel that is not right, and ends with 1 if there is one. The page and Prometheus
// are served from one address of 127.0.0.1, so that the browser asks nobody else.
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const [, , prometheus, page, picture] = process.argv;
const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.json': 'application/json' };

const server = http.createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url, 'http://localhost');
  if (pathname.startsWith('/prometheus/')) {
    const answer = await fetch(prometheus + pathname.slice('/prometheus'.length) + search);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    return;
  }
  const file = pathname === '/page.json' ? page : path.join('dist', pathname === '/' ? 'index.html' : path.normalize(pathname));
  if (!fs.existsSync(file) || !fs.statSync(file).isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' });
  fs.createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'seamless-draw-'));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  userDataDir: profile,
  // Root has no sandbox; the page is our own.
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
});
let wrong = [];
try {
  const tab = await browser.newPage();
  // Small enough to be looked at in a document.
  const width = 1536;
  const view = (height) => tab.setViewport({ width, height, deviceScaleFactor: 0.75 });
  tab.on('pageerror', (error) => wrong.push(`the page: ${error}`));
  await view(1000);
  const alone = page.endsWith('.html');
  await tab.goto(alone ? pathToFileURL(page).href : `http://127.0.0.1:${server.address().port}/`);
  if (!alone) await tab.waitForSelector('body[data-drawn]', { timeout: 120_000 });
  const whole = await tab.$(alone ? 'html' : '#dashboard');
  wrong.push(
    ...(await tab.evaluate(() =>
      [...document.querySelectorAll('[data-panel]')].flatMap((panel) => {
        const error = panel.querySelector('[data-error]')?.textContent;
        const drawn = panel.innerText.length > panel.dataset.panel.length || panel.querySelector('canvas, svg rect');
        const problem = error ?? (drawn ? undefined : 'nothing is drawn');
        return problem ? [`${panel.dataset.panel}: ${problem}`] : [];
      })
    ))
  );
  const height = Math.ceil((await whole.boundingBox()).height);
  await view(height);
  await new Promise((settled) => setTimeout(settled, 1000));
  // Every panel is drawn, as the check above wants it; the picture shows what a screen or two would.
  await tab.screenshot({ path: picture, clip: { x: 0, y: 0, width, height: Math.min(height, 1800) } });
} finally {
  await browser.close();
  server.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
for (const line of new Set(wrong)) console.log(line);
process.exit(wrong.length ? 1 : 0);
