// The page, streams, WebSockets and uploads through the proxies of infra/proxies, in Chromium and as programs send them.
import assert from 'node:assert/strict';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { launch, pageErrors, until } from '../browser/browser.js';
import { notify, pods, signToken, uniqueUser } from '../browser/pods/pods.js';
import { PASSWORD, Proxy } from './proxy.js';

let browser;
before(async () => (browser = await launch('--ignore-certificate-errors')));
after(() => browser.close());

/** A request as a program sends it. */
function send(url, { method = 'GET', headers = {}, body } = {}) {
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, rejectUnauthorized: false }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString();
      resolve({ status: answer.statusCode, headers: answer.headers, text });
    });
    sent.on('error', reject).end(body);
  });
}

/** Opens the page, and signs in by a pasted token. */
async function signIn(context, address, user) {
  const page = await context.newPage();
  page.errors = pageErrors(page);
  await page.goto(address);
  await page.fill('#token', signToken(user));
  await page.click('#by-token button');
  await page.locator('#desk:not([hidden])').waitFor();
  await page.locator('#connection[data-state="live"]').waitFor();
  return page;
}

/** What a WebSocket of this page to the hub hears first, after its handshake; then the next event's title. */
const hears = (page, path, token) => page.evaluate(async ([path, token]) => {
  const address = new URL(path, location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  const socket = new WebSocket(`${address}?access_token=${encodeURIComponent(token)}`);
  window.titles = [];
  await new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('the WebSocket was refused'));
    socket.onopen = () => socket.send('{"protocol":"json","version":1}\x1e');
    socket.onmessage = ({ data }) => {
      resolve();
      for (const text of data.split('\x1e').filter(Boolean)) {
        const { target, arguments: args } = JSON.parse(text);
        if (target === 'event') window.titles.push(args[0].data?.toast?.title);
      }
    };
  });
}, [path, token]);

for (const { program, file, base, protocol, password } of [
  { program: 'nginx', file: 'nginx.conf', base: '/', protocol: 'h2' },
  { program: 'haproxy', file: 'haproxy.cfg', base: '/', protocol: 'h2' },
  { program: 'haproxy', file: 'haproxy-h2c.cfg', base: '/', protocol: 'h2' },
  { program: 'envoy', file: 'envoy.yaml', base: '/', protocol: 'h2' },
  { program: 'gateway', base: '/', protocol: 'h2' },
  { program: 'nginx', file: 'nginx-prefix.conf', base: '/notify/', protocol: 'http/1.1', password: PASSWORD },
]) {
  describe(file ? `behind ${program} with ${file}` : 'a pod that speaks TLS itself', () => {
    let proxy, context;
    before(async () => (proxy = await Proxy.start(program, file)));
    after(() => proxy?.stop());
    beforeEach(async () => {
      context = await browser.newContext({ ignoreHTTPSErrors: true, ...(password && { httpCredentials: { ...password, send: 'unauthorized' } }) });
    });
    afterEach(() => context.close());

    test('the page and all its modules load, and a toast is shown', async () => {
      const user = uniqueUser('ada');
      const page = await signIn(context, `${proxy.url}${base}`, user);
      const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name, nextHopProtocol, responseStatus }) => ({ name, nextHopProtocol, responseStatus })));
      const modules = loaded.filter(({ name }) => name.endsWith('.js'));
      assert.ok(modules.length > 40, `${modules.length} modules`);
      for (const { name, nextHopProtocol, responseStatus } of modules) {
        assert.ok(name.startsWith(`${proxy.url}${base}client/`), name);
        assert.deepEqual([responseStatus, nextHopProtocol], [200, protocol], name);
      }
      await notify(pods[1], user, { title: 'through the proxy' });
      await page.getByText('through the proxy').first().waitFor();
      assert.deepEqual(page.errors, []);
    });

    test('a WebSocket hears what is published, on whichever pod', async () => {
      const [user, page] = [uniqueUser('bob'), await context.newPage()];
      await page.goto(`${proxy.url}${base}`);
      await hears(page, `${base}hub`, signToken(user));
      for (const pod of pods) await notify(pod, user, { title: pod });
      await until(() => page.evaluate(() => window.titles), (titles) => titles.length >= 2);
      assert.deepEqual(await page.evaluate(() => window.titles), pods);
    });

    test('a stream comes back by its cursor, and polls are answered', async () => {
      const [user, page] = [uniqueUser('dan'), await context.newPage()];
      await page.goto(`${proxy.url}${base}`);
      const token = signToken(user);
      const listen = (query) => page.evaluate((address) => new Promise((resolve, reject) => {
        const source = new EventSource(address);
        source.onerror = () => reject(new Error('the stream ended'));
        const heard = [];
        const told = ({ data, lastEventId }) => {
          heard.push(JSON.parse(data).data.toast.title);
          if (heard.length < 2) return;
          source.close();
          resolve({ heard, cursor: lastEventId });
        };
        source.addEventListener('bellwire.message', told);
      }), `${base}events?access_token=${token}&${query}`);
      const { cursor: start } = await (await fetch(`${pods[0]}/api/tasks`, { headers: { authorization: `Bearer ${token}` } })).json();
      for (const title of ['1', '2', '3', '4']) await notify(pods[title % 2], user, { title });
      const first = await listen(`after=${start}`);
      const second = await listen(`after=${first.cursor}`);
      assert.deepEqual([...first.heard, ...second.heard], ['1', '2', '3', '4']);
      const polled = page.evaluate(async ([hub, token]) => {
        const headers = { authorization: `Bearer ${token}` };
        const { connectionToken } = await (await fetch(`${hub}/negotiate?negotiateVersion=1`, { method: 'POST', headers })).json();
        const address = `${hub}?id=${encodeURIComponent(connectionToken)}`;
        const poll = async () => (await fetch(address, { headers })).text();
        await poll();
        await fetch(address, { method: 'POST', headers, body: '{"protocol":"json","version":1}\x1e' });
        window.told = '';
        while (!window.told.includes('by a poll')) window.told += await poll();
        return window.told;
      }, [`${base}hub`, token]);
      await until(() => page.evaluate(() => window.told), (told) => told?.includes('{}'), 20_000);
      await notify(pods[1], user, { title: 'by a poll' });
      assert.ok((await polled).includes('by a poll'));
    });

    test('seven tabs that are all seen hear everything, and none hangs', async () => {
      const user = uniqueUser('eve');
      const tabs = [];
      for (let n = 0; n < 7; n++) {
        const tab = await context.newPage();
        await tab.goto(`${proxy.url}${base}`);
        await tab.evaluate(async ([base, token]) => {
          const { connect } = await import(`${base}client/bellwire.js`);
          window.titles = [];
          window.connection = connect({ token: () => token });
          connection.addEventListener('event', ({ detail }) => window.titles.push(detail.data.toast.title));
        }, [base, signToken(user)]);
        tabs.push(tab);
      }
      for (const tab of tabs) await until(() => tab.evaluate(() => window.connection.cursor), Boolean, 30_000);
      for (const pod of pods) await notify(pod, user, { title: pod });
      await Promise.all(tabs.map((tab) => tab.evaluate(() => window.connection.api.listTasks())));
      for (const tab of tabs) await until(() => tab.evaluate(() => window.titles.length), (count) => count === 2, 40_000);
    });

    test('a program uploads, starts with a large token, and is led to its task', async () => {
      const user = uniqueUser('job');
      const authorization = `Bearer ${signToken(user, { groups: Array.from({ length: 500 }, (_, n) => `a-group-of-some-length-${n}`) })}`;
      assert.ok(authorization.length > 16_000 && authorization.length < 30_000, `${authorization.length} bytes`);
      const body = Buffer.alloc(8 << 20, 'a,b\n');
      const upload = await send(`${proxy.url}${base}api/files/a.csv`, { method: 'PUT', headers: { authorization, 'content-length': body.length }, body });
      assert.equal(upload.status, 201, upload.text);
      const task = { kind: 'imports', input: { file: JSON.parse(upload.text).key, table: 'proxied' } };
      const started = await send(`${proxy.url}${base}api/tasks`, { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(task) });
      assert.equal(started.status, 202, started.text);
      // The other pod may hear of it a moment later.
      const address = new URL(started.headers.location, proxy.url).href;
      await until(async () => JSON.parse((await send(address, { headers: { authorization } })).text).id, (id) => id === JSON.parse(started.text).id);
      await send(`${proxy.url}${base}api/tasks?access_token=${signToken(user)}`, { headers: { authorization } });
      const log = await until(() => proxy.log(), (log) => !file || log.split('api/tasks').length > 3);
      assert.ok(!log.includes('access_token') && !log.includes(signToken(user).split('.')[1]), 'no token is written down');
    });

    if (password) {
      test('the site asks for its password, and the gateway for a token beside it', async () => {
        const basic = `Basic ${Buffer.from(`${password.username}:${password.password}`).toString('base64')}`;
        const token = signToken(uniqueUser('mia'));
        const statusOf = async (path, headers) => (await send(`${proxy.url}${base}${path}`, { headers })).status;
        assert.equal(await statusOf('', {}), 401);
        assert.equal(await statusOf('', { authorization: basic }), 200);
        assert.equal(await statusOf('api/tasks', { authorization: basic }), 401);
        assert.equal(await statusOf(`api/tasks?access_token=${token}`, {}), 401);
        assert.equal(await statusOf(`api/tasks?access_token=${token}`, { authorization: basic }), 200);
        assert.equal(await statusOf('api/tasks', { authorization: `Bearer ${token}` }), 200);
      });
    }
  });
}
