// Clients of HTTP/2 straight to a pod: without TLS by prior knowledge (h2c), and in Chromium over TLS.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser/browser.js';
import { notify, pods, signToken, uniqueUser } from '../browser/pods/pods.js';
import { Proxy } from './proxy.js';

/** A program, and what it has said so far. */
function run(path, ...args) {
  const process = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const running = { said: '', end: () => process.kill('SIGKILL') };
  for (const output of [process.stdout, process.stderr]) output.setEncoding('utf8').on('data', (words) => (running.said += words));
  return running;
}

describe('by prior knowledge', () => {
  const listeners = {
    curl: (url, token) => run('curl', '-sNv', '--http2-prior-knowledge', '-H', `Authorization: Bearer ${token}`, `${url}/events`),
    httpx: (url, token) => run(process.env.BELLWIRE_TEST_PYTHON, '-c', `
import sys, httpx
with httpx.Client(http1=False, http2=True, timeout=60) as client:
    headers = {"authorization": "Bearer " + sys.argv[2]}
    assert client.get(sys.argv[1] + "/api/tasks", headers=headers).http_version == "HTTP/2"
    with client.stream("GET", sys.argv[1] + "/events", headers=headers) as answer:
        for line in answer.iter_lines():
            print(line, flush=True)
`, url, token),
  };
  for (const [name, listen] of Object.entries(listeners)) {
    test(`${name} hears what is published`, async () => {
      const user = uniqueUser(name);
      const listener = listen(pods[0], signToken(user));
      try {
        await until(() => listener.said, (said) => /id: [0-9a-f]{24}/.test(said), 30_000);
        await notify(pods[1], user, { title: 'over h2c' });
        await until(() => listener.said, (said) => said.includes('over h2c'));
        if (name === 'curl') assert.match(listener.said, /HTTP\/2 200/);
      } finally {
        listener.end();
      }
    });
  }

  test("Node's client holds fifty streams on one connection, and asks beside them", async () => {
    const session = connect(pods[0]);
    try {
      const streams = Array.from({ length: 50 }, (_, n) => {
        const user = uniqueUser('node');
        const stream = session.request({ ':path': '/events', authorization: `Bearer ${signToken(user)}` }).setEncoding('utf8');
        const heard = { user, n, text: '', headers: undefined };
        stream.on('data', (text) => (heard.text += text)).on('response', (headers) => (heard.headers = headers));
        return heard;
      });
      for (const stream of streams) await until(() => stream.text, (text) => text.includes('id: '));
      for (const { user, n } of streams) await notify(pods[n % 2], user, { title: `for ${n}` });
      for (const { n, ...stream } of streams) await until(() => streams[n].text, (text) => text.includes(`"for ${n}"`)) && assert.equal(stream.headers[':status'], 200);
      const asked = session.request({ ':path': '/api/tasks', ':method': 'GET' });
      const [headers] = await Promise.all([new Promise((resolve) => asked.on('response', resolve)), asked.resume()]);
      assert.equal(headers[':status'], 401);
      assert.deepEqual(['connection', 'keep-alive', 'transfer-encoding'].filter((name) => name in headers), []);
    } finally {
      session.destroy();
    }
  });
});

describe('over TLS of its own, in Chromium', () => {
  let pod, browser, context;
  before(async () => {
    pod = await Proxy.start('gateway');
    browser = await launch('--ignore-certificate-errors');
    context = await browser.newContext({ ignoreHTTPSErrors: true });
  });
  after(async () => {
    await browser?.close();
    await pod?.stop();
  });

  test('twelve tabs share one connection, and a WebSocket has one of its own', async () => {
    const user = uniqueUser('tabs');
    const tabs = [];
    for (let n = 0; n < 12; n++) {
      const tab = await context.newPage();
      await tab.goto(pod.url);
      await tab.evaluate((address) => new Promise((resolve) => {
        window.titles = [];
        const source = new EventSource(address);
        source.addEventListener('bellwire.message', ({ data }) => window.titles.push(JSON.parse(data).data.toast.title));
        source.onopen = resolve;
      }), `/events?access_token=${signToken(user)}`);
      tabs.push(tab);
    }
    await notify(pods[0], user, { title: 'to all' });
    for (const tab of tabs) await until(() => tab.evaluate(() => window.titles), (titles) => titles.length === 1, 20_000);
    const socket = await tabs[0].evaluate((address) => new Promise((resolve, reject) => {
      const socket = new WebSocket(new URL(address, location.href.replace('http', 'ws')));
      socket.onopen = () => socket.send('{"protocol":"json","version":1}\x1e');
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => reject(new Error('the WebSocket was refused'));
    }), `/hub?access_token=${signToken(user)}`);
    assert.equal(socket, '{}\x1e');
    const protocols = await tabs[11].evaluate(() => performance.getEntriesByType('resource').map(({ nextHopProtocol }) => nextHopProtocol));
    assert.deepEqual([...new Set(protocols.filter(Boolean))], ['h2']);
    // Without one connection for all, the seventh tab of a browser would wait for ever.
    assert.equal(await tabs[11].evaluate(async () => (await fetch('/api/openapi.json')).status), 200);
  });
});
