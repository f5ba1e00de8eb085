/** What a test of a worker is made of: people who listen, processes that work, a broker that is looked into, and a line that is cut. */

import { execFile, spawn } from 'node:child_process';
import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import amqp from 'amqplib';

import { until } from '../browser/browser.js';
import { pods, request, signToken } from '../browser/pods/pods.js';

export { until };
export { pods, request, uniqueUser } from '../browser/pods/pods.js';

/** So long what takes milliseconds may take when the machine is busy. */
export const PATIENCE = 30_000;
const {
  BELLWIRE_TEST_AMQP_URL, BELLWIRE_TEST_BROKER, BELLWIRE_TEST_CONFIG, BELLWIRE_TEST_FILES = '', BELLWIRE_TEST_PROGRAMS, BELLWIRE_TEST_SECRET,
  BELLWIRE_TEST_WORKER_URL,
} = process.env;

/** The key pair of the environment's gateways: whoever holds the secret can sign as they do. */
function gatewayKey(secret) {
  const seed = createHmac('sha256', secret).update("bellwire: the key pair of an environment's gateways").digest();
  return createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
}

const publicKey = (secret) => createPublicKey(gatewayKey(secret)).export({ format: 'jwk' }).x;
/** As `bellwire key` prints it. */
export const environmentKey = publicKey(BELLWIRE_TEST_SECRET);

/** A job with the grant of a gateway of this environment, as no gateway would make it. */
export function granted(job, { environment = 'dev', secret = BELLWIRE_TEST_SECRET } = {}) {
  const field = (text) => {
    const bytes = Buffer.from(text);
    return Buffer.concat([length(bytes.length), bytes]);
  };
  const length = (number) => Buffer.from([number >>> 24, number >>> 16, number >>> 8, number]);
  const [second, fraction = ''] = job.created.slice(0, -1).split('.');
  const nanoseconds = BigInt(Date.parse(`${second}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  const groups = [...(job.groups ?? [])].map((group) => Buffer.from(group)).sort(Buffer.compare);
  const parents = job.parent ? [job.parent] : [];
  const text = Buffer.concat([
    ...['bellwire job', environment, job.task, job.kind, job.owner].map(field),
    length(groups.length), ...groups.map(field), length(parents.length), ...parents.map(field), field(String(nanoseconds)),
  ]);
  const { task, kind, parent, created } = job;
  return { ...job, grant: { task, kind, ...(parent && { parent }), created, signature: sign(null, text, gatewayKey(secret)).toString('base64url') } };
}

/** A new task id. */
export function taskId() {
  const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  let [time, id] = [BigInt(Date.now()), ''];
  for (let place = 0; place < 10; place++, time /= 32n) id = letters[Number(time % 32n)] + id;
  while (id.length < 26) id += letters[Math.floor(Math.random() * 32)];
  return id;
}

/** A job as a gateway makes it, to the nanosecond. */
export const newJob = (kind, owner, input, more = {}) =>
  ({ task: taskId(), kind, owner, title: 'A trick', input, created: new Date().toISOString().replace('Z', '123456Z'), attempts: 0, backlog: 0, ...more });

/** Everything that somebody is told, from when it is made. */
export class Listener {
  events = [];

  static async start(user) {
    const listener = new Listener();
    listener.stopping = new AbortController();
    const answer = await fetch(`${pods[1]}/events`, { headers: { authorization: `Bearer ${signToken(user)}` }, signal: listener.stopping.signal });
    const reading = listener.#read(answer.body);
    listener.ended = reading.catch(() => {});
    await until(() => listener.connected, Boolean, PATIENCE);
    return listener;
  }

  async #read(body) {
    let text = '';
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const frames = text.split('\n\n');
      text = frames.pop();
      for (const frame of frames) {
        this.connected = true;
        const data = frame.match(/^data: ?(.*)$/m)?.[1];
        if (data) this.events.push(JSON.parse(data));
      }
    }
  }

  of(task) {
    return this.events.filter(({ data }) => data?.task?.id === task);
  }

  /** Waits for the end of a task. */
  async end(task) {
    const [end] = await until(() => this.of(task).filter(({ type }) => /succeeded|failed|cancelled/.test(type)), (ends) => ends.length > 0, PATIENCE);
    return end;
  }

  async stop() {
    this.stopping.abort();
    await this.ended;
  }
}

/** Starts a task as its owner would; answers its id. */
export async function start(user, kind, input, title = 'A trick') {
  const post = () => request(pods[0], user, '/api/tasks', { method: 'POST', body: { kind, title, input } });
  // As a pod says whose broker has just come back.
  const answer = await until(post, ({ status }) => status !== 503, PATIENCE);
  if (answer.status !== 202) throw new Error(`the pod answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()).id;
}

/** Cancels a task, once the pod has read of it. */
export const cancel = (user, task) =>
  until(async () => (await request(pods[0], user, `/api/tasks/${task}`, { method: 'DELETE' })).status, (status) => status < 300, PATIENCE);

export const see = async (user, task) => (await request(pods[0], user, `/api/tasks/${task}`)).json();

/** The broker's address for the worker of a kind, as its own user. */
export const workerUrl = (kind) => BELLWIRE_TEST_WORKER_URL.replace('bellwire.dev.worker.imports', `bellwire.dev.worker.${kind}`);

const LANGUAGES = {
  python: { program: process.env.BELLWIRE_TEST_PYTHON, file: 'tricks.py' },
  node: { program: process.execPath, file: 'tricks.js' },
};

/** A process that works. */
export class Program {
  words = [];
  said = '';
  isGone = false;

  static async start(language, kind, { url = workerUrl(kind), folder, files = BELLWIRE_TEST_FILES, ...options }) {
    const program = new Program();
    const { program: path, file } = LANGUAGES[language];
    const environment = {
      ...process.env, AMQP_URL: url, BELLWIRE_KEYS: environmentKey, BELLWIRE_FILES: files, TRICKS_KIND: kind, TRICKS_FOLDER: folder,
      TRICKS_OPTIONS: JSON.stringify(options),
    };
    if (!files) delete environment.BELLWIRE_FILES;
    program.process = spawn(path, [fileURLToPath(new URL(`programs/${file}`, import.meta.url))], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    program.ended = once(program.process, 'exit').then(() => (program.isGone = true));
    createInterface({ input: program.process.stdout }).on('line', (line) => program.words.push(JSON.parse(line)));
    program.process.stderr.setEncoding('utf8').on('data', (words) => (program.said += words));
    try {
      await until(() => program.said.includes('taking jobs') || program.isGone, Boolean, PATIENCE);
      if (program.isGone) throw new Error('it has ended');
    } catch (error) {
      await program.kill();
      throw new Error(`the worker takes no jobs; it said: ${program.said}`, { cause: error });
    }
    return program;
  }

  begun(task) {
    return this.words.filter((word) => word.word === 'begun' && (!task || word.task === task));
  }

  /** Waits until this task has begun so often. */
  async until(task, times = 1) {
    await until(() => this.begun(task).length, (seen) => seen >= times, PATIENCE).catch((error) => {
      throw new Error(`${error.message}; the worker said: ${this.said}`);
    });
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Tells it to stop, and waits until it has. */
  async stop() {
    this.process.kill('SIGTERM');
    await until(() => this.isGone, Boolean, PATIENCE).catch(async () => {
      await this.kill();
      throw new Error(`the worker did not stop; it said: ${this.said}`);
    });
  }
}

/** A file of so many bytes that lies in the storage as if somebody had uploaded it; answers its key. */
export async function storeFile(user, bytes) {
  const folder = join(BELLWIRE_TEST_FILES.replace(/^file:/, ''), 'dev', user, '01JDLARGE');
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, 'large.json'), 'w');
  await file.truncate(bytes);
  await file.close();
  return '01JDLARGE/large.json';
}

/** A folder in which a held task is let go by a file. */
export class Folder {
  static async make() {
    const folder = new Folder();
    folder.path = await mkdtemp(join(tmpdir(), 'bellwire-tricks-'));
    return folder;
  }

  async letGo(task) {
    await writeFile(join(this.path, `${task}.go`), '');
  }
}

/** The broker as an operator sees it. */
export class Operator {
  /** What counts the copies that are published there from now on, until it is closed. */
  async counter(key) {
    const { queue } = await this.channel.assertQueue('', { exclusive: true });
    await this.channel.bindQueue(queue, 'bellwire.dev.jobs', key);
    return {
      copies: async () => (await this.channel.checkQueue(queue)).messageCount,
      // With it what is published there would be routed for ever.
      close: () => this.channel.deleteQueue(queue),
    };
  }

  static async connect() {
    const operator = new Operator();
    operator.connection = await amqp.connect(BELLWIRE_TEST_AMQP_URL);
    operator.connection.on('error', () => {});
    operator.channel = await operator.connection.createConfirmChannel();
    return operator;
  }

  async put(kind, body, { lane = '' } = {}) {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    this.channel.publish('bellwire.dev.jobs', `${kind}${lane}`, bytes, { persistent: true, mandatory: true });
    await this.channel.waitForConfirms();
  }

  async depth(kind, suffix = '') {
    return (await this.channel.checkQueue(`bellwire.dev.jobs.${kind}${suffix}`)).messageCount;
  }

  /** Waits until this many wait in a queue. */
  untilDepth(kind, suffix, depth) {
    return until(() => this.depth(kind, suffix), (seen) => seen === depth, PATIENCE);
  }

  /** Waits until a worker is pushed the jobs of its first queue. */
  untilConsumed(kind) {
    return until(() => this.channel.checkQueue(`bellwire.dev.jobs.${kind}`), ({ consumerCount }) => consumerCount === 1, PATIENCE);
  }

  /** Takes the first job of a queue and gives it back, as a worker that is lost would. */
  async takeAndLose(queue) {
    const got = await until(() => this.channel.get(queue), Boolean, PATIENCE);
    this.channel.reject(got, true);
    return got;
  }

  /** Takes all dead jobs of a kind away; answers them with their reasons. */
  async takeDead(kind, count) {
    const dead = [];
    await until(async () => {
      for (let got; (got = await this.channel.get(`bellwire.dev.jobs.${kind}.dead`)); this.channel.ack(got)) {
        dead.push({ body: got.content.toString(), headers: got.properties.headers });
      }
      return dead.length;
    }, (length) => length >= count, PATIENCE);
    return dead;
  }

  async close() {
    // The broker may have closed it when it restarted.
    await this.connection.close().catch(() => {});
  }
}

/** `bellwire jobs list`, as an operator runs it. */
export async function deadListed(kind) {
  const flags = ['jobs', '--config', BELLWIRE_TEST_CONFIG, '--environment', 'dev', '--kind', kind, 'list', '--json'];
  const environment = { ...process.env, BELLWIRE_BACKPLANE__URL: BELLWIRE_TEST_AMQP_URL };
  const { stdout } = await promisify(execFile)(join(BELLWIRE_TEST_PROGRAMS, 'bellwire'), flags, { env: environment });
  return JSON.parse(stdout)[0];
}

export const restartBroker = () => promisify(execFile)(BELLWIRE_TEST_BROKER, ['restart']);

/** A line to the broker that can be cut. */
export class Line {
  #sockets = new Set();
  #isCut = false;
  /** Those that wait to be passed on. */
  #held;

  static async to(url) {
    const line = new Line();
    const target = new URL(url);
    const { hostname, port } = target;
    line.server = createServer((near) => {
      if (line.#isCut) return near.destroy();
      // Until it is passed on its errors are nobody's, and a line that is cut cuts it too.
      near.on('error', () => {}).on('close', () => line.#sockets.delete(near));
      line.#sockets.add(near);
      if (line.#held) return line.#held.push(() => line.#pass(near, hostname, port));
      line.#pass(near, hostname, port);
    }).listen(0, '127.0.0.1');
    await once(line.server, 'listening');
    target.port = String(line.server.address().port);
    line.url = target.href;
    return line;
  }

  #pass(near, hostname, port) {
    if (near.destroyed) return;
    const far = connectTcp(Number(port), hostname);
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [near, far].forEach((each) => (this.#sockets.delete(each), each.destroy())));
    }
    // What a worker says of a connection when it opens it.
    near.on('data', (bytes) => (near.purpose ??= String(bytes).match(/bellwire worker: (\w+)/)?.[1]));
    near.pipe(far).pipe(near);
    near.far = far;
  }

  /** Keeps back what a worker says over its connections for one purpose, and lets it through again. */
  mute(purpose) {
    for (const socket of this.#sockets) if (socket.purpose === purpose) socket.unpipe(socket.far).pause();
  }

  unmute(purpose) {
    for (const socket of this.#sockets) if (socket.purpose === purpose) socket.pipe(socket.far);
  }

  /** Keeps new connections waiting. */
  hold() {
    this.#held = [];
  }

  /** Waits until so many have come. */
  untilHeld(count) {
    return until(() => this.#held.length, (seen) => seen >= count, PATIENCE);
  }

  /** Lets those that wait go on. */
  release() {
    const held = this.#held;
    this.#held = undefined;
    for (const go of held) go();
  }

  /** Breaks the connections for one purpose. */
  break(purpose) {
    for (const socket of this.#sockets) if (socket.purpose === purpose) socket.destroy();
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  restore() {
    this.#isCut = false;
  }

  async close() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
