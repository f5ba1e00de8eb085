/** How a client reaches the pods: straight to one of them, or through HAProxy in turn to both. Either can be cut. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { until } from '../browser/browser.js';
import { Balancer, pods } from '../browser/pods/pods.js';

/** One pod at a time, behind a line that can be cut; a cut line leads to the other pod. */
export class Direct {
  static route = 'directly';
  #line;
  #now = 0;

  static async start() {
    const direct = new Direct();
    direct.#line = await Balancer.start(pods[0]);
    direct.url = direct.#line.url;
    return direct;
  }

  /** Cuts all connections and answers nobody. */
  away() {
    return this.#line.stopListening();
  }

  /** Cuts a connection once, in the middle of what a pod says: before this text. */
  tear(text) {
    this.#line.tear(text);
  }

  /** There again, and leading to the other pod. */
  async otherPod() {
    this.#now = 1 - this.#now;
    this.#line.setTarget(pods[this.#now]);
    await this.#line.startListening();
  }

  stop() {
    return this.#line.stop();
  }
}

/** Debian's HAProxy, as `haproxy.cfg` sets it up: both pods in turn. */
export class Haproxy {
  static route = 'through HAProxy';
  /** What it passed on so far: which pod answered what, as `{ pod: '1', asked: 'GET /hub', status: 101 }`. */
  passed = [];
  /** The transport of those who come through it. */
  transport;
  #folder;
  #process;
  #ended;
  #held;
  #said = '';

  /** @param {string} [certificate] a file: it speaks TLS then */
  static async start(certificate) {
    const haproxy = new Haproxy();
    haproxy.port = await freePort();
    haproxy.url = `http://127.0.0.1:${haproxy.port}`;
    haproxy.#folder = await mkdtemp(join(tmpdir(), 'bellwire-haproxy-'));
    const env = {
      ...process.env, HAPROXY_SOCKET: join(haproxy.#folder, 'socket'),
      HAPROXY_BIND: `127.0.0.1:${haproxy.port}${certificate ? ` ssl crt ${certificate}` : ''}`,
      POD_1: new URL(pods[0]).host, POD_2: new URL(pods[1]).host,
    };
    const file = fileURLToPath(new URL('haproxy.cfg', import.meta.url));
    haproxy.#process = spawn('/usr/sbin/haproxy', ['-db', '-f', file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    // It also says each time that a pod is away; that is what we told it.
    haproxy.#process.stderr.setEncoding('utf8').on('data', (words) => (haproxy.#said += words));
    haproxy.#ended = once(haproxy.#process, 'exit');
    createInterface({ input: haproxy.#process.stdout }).on('line', (line) => haproxy.#read(line));
    await until(() => haproxy.#listens(), Boolean, 10_000);
    return haproxy;
  }

  /** Cuts all connections and has no pod for anybody. */
  async away() {
    this.#held = this.#holder();
    const shut = ['1', '2'].flatMap((pod) => [`set server pods/${pod} state maint`, `shutdown sessions server pods/${pod}`]);
    await this.#say(shut.join(';'));
  }

  /** Only the pod is there that did not hold the connection. */
  async otherPod() {
    await this.#say(`set server pods/${this.#held === '1' ? '2' : '1'} state ready`);
  }

  /** Both pods are there again. */
  async allPods() {
    await this.#say('set server pods/1 state ready;set server pods/2 state ready');
  }

  async stop() {
    this.#process.kill('SIGTERM');
    await this.#ended;
    await rm(this.#folder, { recursive: true });
  }

  /** Where the connection is: its stream, or for polls its negotiation. */
  #holder() {
    const made = { LongPolling: 'POST /hub/negotiate', EventStream: 'GET /events' }[this.transport] ?? 'GET /hub';
    const last = this.passed.findLast(({ asked, status }) => asked === made && status < 400);
    if (!last) throw new Error(`nobody has connected through HAProxy: ${JSON.stringify(this.passed)}`);
    return last.pod;
  }

  #read(line) {
    const [, pod, asked, status] = /^([12]) ([A-Z]+ \S+) (-?\d+)$/.exec(line) ?? [];
    if (pod) this.passed.push({ pod, asked, status: Number(status) });
  }

  async #say(words) {
    const socket = connect(join(this.#folder, 'socket'));
    socket.setEncoding('utf8').end(`${words}\n`);
    let answer = '';
    for await (const piece of socket) answer += piece;
    if (answer.trim()) throw new Error(`HAProxy answered: ${answer}`);
  }

  async #listens() {
    if (this.#process.exitCode !== null) throw new Error(`HAProxy has ended: ${this.#said}`);
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => resolve(true) || socket.destroy()).on('error', () => resolve(false));
    });
  }
}

/** Below the ports of outgoing connections; nobody takes it between here and its use but another test. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await once(server, 'listening').then(() => true, () => false);
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
