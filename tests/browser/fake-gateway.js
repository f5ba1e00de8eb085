/** A gateway for the module tests, correct unless a test makes it fail. `pods/` tests the real one. */

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';

const CLIENT = new URL('../../client/', import.meta.url);
const TYPES = { js: 'text/javascript', css: 'text/css', html: 'text/html', svg: 'image/svg+xml' };
const POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/** An unsigned token: the module reads it, only a real gateway verifies it. */
export function token({ sub = 'ada', env = 'dev', ...more } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub, env, exp: 4102444800, ...more })}.`;
}

let ids = 0;

/** An event as a gateway delivers it, without its cursor. */
export function event(more = {}) {
  return { specversion: '1.0', id: `e${++ids}`, source: '/test', type: 'bellwire.message', environment: 'dev', audience: 'user:ada', ...more };
}

/** An event with a toast. */
export function toast(title, more = {}) {
  return event({ data: { toast: { level: 'info', title, ...more.toast } }, ...more.event });
}

/** Listens on a port of its own. */
export class FakeGateway {
  /** The events that were sent, with their positions, for clients that resume. */
  log = [];
  /** Open streams. */
  streams = new Set();
  /** The headers of each request for `/events`, in order. */
  streamRequests = [];
  /** Which stream was given which token. */
  refreshes = [];
  /** Every other request, as `METHOD path`. */
  requests = [];
  tasks = [];
  /** The cursor up to which the answers of tasks are complete, if this gateway tells one. */
  listCursor = undefined;
  /** The answers of `GET /api/functions` and `GET /api/approvals`. */
  functions = [];
  approvals = [];
  /** The answers of `GET /api/tasks/{id}/files`, by path. */
  runFiles = {};
  /** The answers of `GET /api/schedules`; a POST pauses, resumes or runs one. */
  schedules = [];
  /** Every decision: task, step and body. */
  decisions = [];
  /** The headers and body of every start. */
  starts = [];
  /** Takes no newer token for a stream. */
  refuses = false;
  /** Milliseconds that its clock is ahead. */
  clock = 0;
  /** Milliseconds between two heartbeats. */
  heartbeat = 15_000;
  /** Hands out development tokens. */
  development = true;
  /** Handlers of the next requests for `/events`: `(request, response) => void`. */
  streamHandlers = [];
  /** A handler of all other routes; returns true if it has answered. */
  answer = () => false;
  #cursor = 0;

  static async start(settings = {}) {
    const gateway = Object.assign(new FakeGateway(), settings);
    gateway.server = createServer((request, response) => gateway.#handle(request, response).catch((error) => response.destroy(error)));
    gateway.server.listen(settings.port ?? 0, '127.0.0.1');
    await once(gateway.server, 'listening');
    gateway.url = `http://127.0.0.1:${gateway.server.address().port}`;
    return gateway;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** The cursor of the last event. */
  get cursor() {
    return `c${this.#cursor}`;
  }

  /** Sends an event to all streams, and to clients that resume later. */
  send(event) {
    const cursor = `c${++this.#cursor}`;
    const text = frame(cursor, { cursor, ...event });
    this.log.push({ position: this.#cursor, text });
    for (const stream of this.streams) stream.write(text);
  }

  /** Ends all streams, as a stopping pod does. */
  endStreams(last = '') {
    for (const stream of this.streams) stream.end(last);
    this.streams.clear();
  }

  async #handle(request, response) {
    const { pathname } = new URL(request.url, this.url);
    if (pathname === '/events') return this.#events(request, response);
    if (pathname === '/events/refresh') return this.#refresh(request, response);
    if (pathname === '/blank') return html(response, '<!doctype html><meta charset="utf-8"><title>blank</title><body></body>');
    if (pathname === '/' || pathname.startsWith('/client/')) return this.#file(pathname, response);
    this.requests.push(`${request.method} ${pathname}`);
    if (await this.answer(request, response, pathname)) return;
    await this.#api(request, response, pathname);
  }

  #events(request, response) {
    this.streamRequests.push({ ...request.headers, at: performance.now() });
    const handler = this.streamHandlers.shift();
    if (handler) return handler(request, response, this);
    this.open(request, response);
  }

  /** Opens a stream as a real gateway does. */
  open(request, response) {
    const after = request.headers['last-event-id'];
    const date = new Date(Date.now() + this.clock).toUTCString();
    const name = `stream ${this.streamRequests.length}`;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', date, 'bellwire-stream': name });
    response.write(`event: cursor\ndata:\nid: ${after ?? this.cursor}\n\n`);
    if (after) for (const { position, text } of this.log) if (position > Number(after.slice(1))) response.write(text);
    this.streams.add(response);
    const beat = setInterval(() => response.write(`id: ${this.cursor}\n\n`), this.heartbeat);
    response.on('close', () => {
      clearInterval(beat);
      this.streams.delete(response);
    });
  }

  #refresh(request, response) {
    const id = new URL(request.url, this.url).searchParams.get('id');
    this.refreshes.push({ method: request.method, id, authorization: request.headers.authorization });
    if (this.refuses) return problem(response, 404, 'there is no such stream');
    json(response, 200, {});
  }

  async #file(pathname, response) {
    const name = pathname === '/' ? 'page/index.html' : pathname.slice('/client/'.length);
    const body = await readFile(new URL(name, CLIENT)).catch(() => null);
    const type = TYPES[name.split('.').at(-1)];
    response.writeHead(body ? 200 : 404, { 'content-type': type ?? 'text/plain', 'content-security-policy': POLICY });
    response.end(body);
  }

  async #api(request, response, pathname) {
    const body = Buffer.concat(await request.toArray());
    const { searchParams } = new URL(request.url, this.url);
    if (pathname === '/dev/token' && this.development) {
      if (!searchParams.get('user')) return problem(response, 400, 'user is missing');
      return json(response, 200, { token: token({ sub: searchParams.get('user'), env: searchParams.get('env'), groups: searchParams.get('groups')?.split(',') }) });
    }
    if (pathname === '/api/tasks' && request.method === 'GET') return json(response, 200, { tasks: this.tasks, cursor: this.listCursor });
    const shown = request.method === 'GET' && this.tasks.find(({ id }) => pathname === `/api/tasks/${id}`);
    if (shown) return json(response, 200, { ...shown, cursor: this.listCursor });
    if (pathname === '/api/tasks') {
      this.starts.push({ key: request.headers['idempotency-key'], ...JSON.parse(body) });
      return this.#startTask(JSON.parse(body), response);
    }
    if (pathname === '/api/functions') return json(response, 200, { functions: this.functions });
    if (pathname === '/api/schedules') return json(response, 200, { schedules: this.schedules });
    const [, , , kind, name, word] = pathname.split('/');
    const schedule = pathname.startsWith('/api/schedules/') && this.schedules.find((each) => each.kind === kind && each.name === name);
    if (schedule && request.method === 'POST') {
      if (word !== 'run') schedule.paused = word === 'pause' ? { by: 'ada', since: new Date().toISOString() } : null;
      return json(response, word === 'run' ? 202 : 200, {});
    }
    if (pathname === '/api/approvals') return json(response, 200, { approvals: this.approvals, cursor: this.listCursor });
    const [, task, step] = pathname.match(/^\/api\/tasks\/([^/]+)\/steps\/([^/]+)$/) ?? [];
    if (step && request.method === 'POST') {
      this.decisions.push({ task, step, ...JSON.parse(body) });
      this.send(approvalDecided({ task, step, by: 'ada', ...JSON.parse(body) }));
      return json(response, 200, {});
    }
    if (pathname === '/api/events') {
      this.send({ ...JSON.parse(body), environment: 'dev' });
      return json(response, 202, { accepted: 1 });
    }
    if (pathname.startsWith('/api/files/') && request.method === 'PUT') {
      const key = `01F/${pathname.split('/').at(-1)}`;
      return json(response, 201, { key, href: `/api/files/${key}`, bytes: body.length });
    }
    const files = this.runFiles[pathname];
    if (files) return json(response, 200, files);
    if (/^\/api\/(files\/|tasks\/.*\/files(\/|\.zip$))/.test(pathname)) return response.end('a,b\n1,2\n');
    problem(response, 404, 'there is nothing here');
  }

  #startTask({ kind, title, input }, response) {
    const task = { id: `t${Date.now()}`, kind, title, input, state: 'queued', progress: 0, attempt: 0, sequence: 0, created: new Date().toISOString() };
    this.tasks.unshift(task);
    json(response, 202, task);
  }
}

/** An event of a task. */
export function taskEvent(task, toast) {
  const name = { queued: 'queued', running: 'progressed' }[task.state] ?? task.state;
  return event({ type: `bellwire.task.${name}`, subject: `task/${task.id}`, data: { task: { progress: 0, ...task }, ...(toast && { toast }) } });
}

/** The digest of a question. */
export const DIGEST = 'A'.repeat(43);

/** An approval asked for, with its toast. */
export function approvalAsked({ task, step, title = 'Load airports', question = 'Publish 3,376 airports?', owner = 'carol', digest = DIGEST, details, again }, more = {}) {
  const toast = { level: 'info', title: again ? 'again' : question, decision: { task, step } };
  const data = { question: { task, step, title, question, owner, details }, digest, toast, again };
  return event({ type: 'bellwire.approval.asked', id: `${task}.${step}.asked.${again ?? 0}.${digest}`, data, ...more });
}

/** The end of an approval that nobody has decided. */
export function approvalClosed({ task, step, digest = DIGEST }) {
  return event({ type: 'bellwire.approval.closed', id: `${task}.${step}.closed`, data: { closed: { task, step, digest, reason: 'expired' } } });
}

/** A decided approval. */
export function approvalDecided({ task, step, digest = DIGEST, decision = 'approve', by = 'bob' }) {
  return event({ type: 'bellwire.approval.decided', source: '/gateway/approvals', id: `${task}.${step}.decided.${digest}.${by}`, data: { answer: { task, step, digest, decision, by } } });
}

/** A frame of server-sent events. */
export function frame(cursor, event) {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\nid: ${cursor}\n\n`;
}

/** An RFC 9457 answer. */
export function problem(response, status, detail, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ title: detail, status, detail }));
}

function html(response, text) {
  response.writeHead(200, { 'content-type': 'text/html' });
  response.end(text);
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
