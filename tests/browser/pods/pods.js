/** The real pods that these tests run against: two gateways over one RabbitMQ, and a worker of each kind. */

import { createHmac, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { Transform } from 'node:stream';

import { until } from '../browser.js';

const { BELLWIRE_TEST_PODS = '', BELLWIRE_TEST_SECRET = '' } = process.env;

/** The pods' addresses. */
export const pods = BELLWIRE_TEST_PODS.split(',').map((url) => url.trim().replace(/\/$/, '')).filter(Boolean);

if (pods.length < 2 || !BELLWIRE_TEST_SECRET) {
  throw new Error(
    'BELLWIRE_TEST_PODS must name two gateway pods (http://127.0.0.1:8081,http://127.0.0.1:8082) and ' +
    'BELLWIRE_TEST_SECRET the HS256 secret of their environment dev; `make test` starts them and sets both',
  );
}

/** A token of the environment dev; each test is another user, so that none gets another's events. */
export function signToken(sub, more = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub, env: 'dev', groups: [], scope: 'publish tasks files', exp: Math.floor(Date.now() / 1000) + 3600, ...more };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', BELLWIRE_TEST_SECRET).update(signed).digest('base64url')}`;
}

/** The name of a new user. */
export const uniqueUser = (name) => `${name}-${randomUUID().slice(0, 8)}`;

/** Publishes a message as a program would, on whichever pod. */
export async function notify(pod, user, toast, more = {}) {
  const event = { specversion: '1.0', id: randomUUID(), source: '/tests/browser', type: 'bellwire.message', audience: `user:${user}`, data: { toast: { level: 'info', ...toast } }, ...more };
  const answer = await fetch(`${pod}/api/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${signToken('a-program')}`, 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  });
  if (answer.status !== 202) throw new Error(`the pod answered ${answer.status}: ${await answer.text()}`);
  return event.id;
}

/** A file of the real data that the examples are made for. */
export const dataset = (name) => new URL(name, process.env.BELLWIRE_TEST_DATASETS ? `file://${process.env.BELLWIRE_TEST_DATASETS}/` : new URL('../node_modules/vega-datasets/data/', import.meta.url));

/** Calls a pod's API as a program would. */
export async function request(pod, user, path, { method = 'GET', body, claims, type = 'application/json' } = {}) {
  const headers = { authorization: `Bearer ${signToken(user, claims)}`, ...(body !== undefined && { 'content-type': type }) };
  return fetch(`${pod}${path}`, { method, headers, body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body) });
}

/** Stores a dataset as somebody's file; answers its key. */
export async function upload(pod, user, file) {
  const answer = await request(pod, user, `/api/files/${file}`, { method: 'PUT', body: await readFile(dataset(file), 'utf8'), type: 'text/csv' });
  if (answer.status !== 201) throw new Error(`the pod answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()).key;
}

/** Starts a task; answers its id. */
export async function start(pod, user, kind, input, title) {
  const answer = await request(pod, user, '/api/tasks', { method: 'POST', body: { kind, title, input } });
  if (answer.status !== 202) throw new Error(`the pod answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()).id;
}

/** Waits until a task has ended as it should; answers it. */
export async function ended(pod, user, id, state = 'succeeded') {
  const isEnd = (task) => ['succeeded', 'failed', 'cancelled'].includes(task.state);
  const task = await until(async () => (await request(pod, user, `/api/tasks/${id}`)).json(), isEnd, 90_000);
  if (task.state !== state) throw new Error(`it ended otherwise: ${JSON.stringify(task)}`);
  return task;
}

/** Makes the tables that the example reports are about. */
export async function loadTables() {
  const loader = uniqueUser('loader');
  for (const name of ['airports', 'zipcodes']) {
    const file = await upload(pods[0], loader, `${name}.csv`);
    await ended(pods[0], loader, await start(pods[0], loader, 'imports', { file, definition: name }));
  }
}

/** Opens the form of an offer, as the page lists it. */
export async function openForm(page, title) {
  await page.locator('bellwire-start summary').filter({ has: page.getByText(title, { exact: true }) }).click();
  return page.locator('bellwire-start details[open]');
}

/** Opens the page and signs in by pasting a token, as a person does. */
export async function signIn(context, pod, user, claims) {
  const page = await context.newPage();
  await page.goto(pod);
  await page.getByLabel('Token').fill(signToken(user, claims));
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.locator('#connection[data-state=live]').waitFor();
  return page;
}

/** An empty page of a pod's own origin, for what needs the module alone. */
export async function blank(context, pod) {
  const page = await context.newPage();
  await page.route(`${pod}/blank`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>blank</title>' }));
  await page.goto(`${pod}/blank`);
  return page;
}

/** The titles of a page's toasts. */
export const toastsOf = (page) => page.locator('bellwire-toasts .toast:not([inert]) .title').allTextContents();

/** A load balancer in front of the pods, which can close its connections and change its target. */
export class Balancer {
  #sockets = new Set();
  #target;
  #tear = null;
  #isStalled = false;

  static async start(pod) {
    const balancer = new Balancer();
    balancer.setTarget(pod);
    balancer.server = createServer((browser) => balancer.#pass(browser)).listen(0, '127.0.0.1');
    await once(balancer.server, 'listening');
    balancer.url = `http://127.0.0.1:${balancer.server.address().port}`;
    return balancer;
  }

  /** Sets the pod of new connections. */
  setTarget(pod) {
    this.#target = new URL(pod);
  }

  /** Closes a connection once, in the middle of what a pod says: before this text. */
  tear(text) {
    this.#tear = text;
  }

  /** Closes all connections. */
  closeConnections() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes nothing on in either direction, and keeps what comes; `flow` goes on. */
  stall() {
    this.#isStalled = true;
    for (const socket of this.#sockets) socket.pause();
  }

  flow() {
    this.#isStalled = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Forgets its connections as a router does: pods see an end, browsers see nothing, until they are closed. */
  forget() {
    for (const socket of this.#sockets) if (socket.isBrowsers) socket.unpipe();
    for (const socket of this.#sockets) if (!socket.isBrowsers) socket.removeAllListeners('close').unpipe().destroy();
  }

  /** Refuses new connections, as a killed pod does. */
  async stopListening() {
    this.server.close();
    this.closeConnections();
    await once(this.server, 'close');
  }

  /** Accepts connections again, on the same port. */
  async startListening() {
    this.server.listen(new URL(this.url).port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  async stop() {
    if (this.server.listening) await this.stopListening();
  }

  #pass(browser) {
    const pod = connect(Number(this.#target.port), this.#target.hostname);
    browser.isBrowsers = true;
    browser.pipe(pod);
    pod.pipe(this.#tearing(browser)).pipe(browser);
    for (const [from, to] of [[browser, pod], [pod, browser]]) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#sockets.delete(from);
      });
    }
    if (this.#isStalled) this.stall();
  }
  #tearing(browser) {
    return new Transform({
      transform: (bytes, _, pass) => {
        const at = this.#tear === null ? -1 : bytes.indexOf(this.#tear);
        if (at < 0) return pass(null, bytes);
        this.#tear = null;
        browser.write(bytes.subarray(0, at), () => browser.destroy());
      },
    });
  }
}
