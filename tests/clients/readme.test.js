// README's pages for SignalR as they stand there, at https://bellwire.example: HAProxy with TLS in front of two pods.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { launch, until } from '../browser/browser.js';
import { notify, pods, uniqueUser } from '../browser/pods/pods.js';
import { Haproxy } from './routes.js';
import { Site } from './site.js';

const README = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const CDN = 'https://cdn.jsdelivr.net/npm/@microsoft/signalr@10/';
let folder, site, haproxy, browser, context;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bellwire-readme-'));
  const [key, certificate] = [join(folder, 'both.pem.key'), join(folder, 'both.pem')]; // HAProxy finds the key by this name
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', [...made, '-subj', '/CN=bellwire.example', '-keyout', key, '-out', certificate]);
  site = await Site.start();
  haproxy = await Haproxy.start(certificate);
  browser = await launch(`--host-resolver-rules=MAP bellwire.example:443 127.0.0.1:${haproxy.port}`, '--ignore-certificate-errors');
});
after(async () => {
  await browser?.close();
  await haproxy?.stop();
  await site?.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => (context = await browser.newContext()));
afterEach(() => context.close());

/** The fenced block after a line `<!-- example: NAME -->`. */
function example(name) {
  const found = README.match(new RegExp(`<!-- example: ${name} -->\n\`\`\`html\n([^]*?)\`\`\``));
  assert.ok(found, `README.md has no example ${name}`);
  return `<!doctype html><title>${name}</title>${found[1]}`;
}

/** Opens the example as somebody who is signed in on that site; answers what it writes to the console. */
async function opened(name, user) {
  site.publish(`/${name}`, example(name));
  await context.addCookies([{ name: 'user', value: user, url: site.url }]);
  // The package as npm installed it stands for the public copy of it.
  await context.route(`${CDN}**`, (route) => route.fulfill({
    path: fileURLToPath(new URL(`node_modules/@microsoft/signalr/${route.request().url().slice(CDN.length)}`, import.meta.url)),
  }));
  const page = await context.newPage();
  const written = [];
  page.on('console', (line) => line.type() === 'log' && written.push(line.text()));
  page.on('pageerror', (error) => written.push(String(error)));
  await page.goto(`${site.url}/${name}`);
  return written;
}

for (const name of ['signalr', 'signalr-lossless']) {
  test(`the page ${name} writes what is said, and what was said while it was cut off, once`, async () => {
    const user = uniqueUser('ada');
    const written = await opened(name, user);
    // It hears what is said from when it is connected on.
    await until(async () => {
      await notify(pods[0], user, { title: 'is it there?' });
      return written;
    }, (lines) => lines.length > 0, 20_000);
    await notify(pods[1], user, { title: 'before' });
    await until(() => written, (lines) => lines.includes('before'), 20_000);
    await haproxy.away();
    await notify(pods[0], user, { title: 'meanwhile' });
    await haproxy.otherPod();
    await until(() => written, (lines) => lines.includes('meanwhile'), 40_000);
    await notify(pods[1], user, { title: 'after' });
    await until(() => written, (lines) => lines.includes('after'), 20_000);
    assert.deepEqual(written.filter((line) => line !== 'is it there?'), ['before', 'meanwhile', 'after']);
    await haproxy.allPods();
  });
}
