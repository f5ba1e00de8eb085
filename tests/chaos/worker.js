/** A worker of imports beside the cluster's, and somebody who starts imports all the time. */

import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';

import { connect } from '../clients/node.js';
import { signToken, uniqueUser } from '../browser/pods/pods.js';
import { freePort } from '../proxies/proxy.js';

export class Worker {
  #process;

  static async start() {
    const worker = new Worker();
    worker.adminPort = await freePort();
    worker.#begin();
    return worker;
  }

  async killAndReplace() {
    await this.#end('SIGKILL');
    this.#begin();
  }

  async stop() {
    await this.#end('SIGTERM');
  }

  async #end(signal) {
    const ended = once(this.#process, 'exit');
    this.#process.kill(signal);
    await ended;
  }

  #begin() {
    const env = {
      ...process.env,
      BELLWIRE_BACKPLANE__URL: process.env.BELLWIRE_TEST_WORKER_URL,
      BELLWIRE_IMPORTS__ADMIN_LISTEN: `127.0.0.1:${this.adminPort}`,
    };
    const program = join(dirname(process.env.BELLWIRE_TEST_GATEWAY), 'bellwire-imports');
    this.#process = spawn(program, ['--config', process.env.BELLWIRE_TEST_CONFIG], { env, stdio: 'ignore' });
  }
}

/** Somebody whose imports end while all this goes on: each once, and they hear of it once. */
export class Importer {
  started = new Set();
  ended = [];
  #url;
  #headers;
  #file;
  #client;
  #isOver;
  #going;

  /** Connects, and starts nothing yet. */
  static async open(url) {
    const importer = new Importer();
    const user = uniqueUser('importer');
    const token = signToken(user);
    importer.#url = url;
    importer.#headers = { authorization: `Bearer ${token}` };
    importer.#client = await connect({
      hub: `${url}/hub`, tokens: `data:text/plain,${token}`, transport: 'WebSockets', encoding: 'JSON', comesBack: 'wrapper', serverTimeout: 5_000,
      tell: (kind, word) => kind === 'event' && /^bellwire\.task\.(succeeded|failed|cancelled)$/.test(word.type) && importer.ended.push(word),
    });
    importer.#file = (await importer.#request('PUT', '/api/files/one.csv', 'text/csv', 'id,name\n1,one\n')).key;
    return importer;
  }

  /** Starts one import after the other until `stop`, and forgets those of before. */
  begin() {
    [this.started, this.ended, this.#isOver] = [new Set(), [], false];
    this.#going = this.#run();
    this.#going.catch(() => {}); // told by `stop`
  }

  /** Tasks that were taken and of whose end nothing was heard. */
  get missing() {
    const heard = new Set(this.ended.map(({ subject }) => subject));
    return [...this.started].filter((id) => !heard.has(`task/${id}`));
  }

  get doubled() {
    return this.ended.length - new Set(this.ended.map(({ subject }) => subject)).size;
  }

  get failed() {
    return this.ended.filter(({ type }) => type !== 'bellwire.task.succeeded');
  }

  /** Starts no more. */
  async stop() {
    this.#isOver = true;
    await this.#going;
  }

  async close() {
    await this.#client.stop();
  }

  async #run() {
    while (!this.#isOver) {
      const task = { kind: 'imports', title: 'One', input: { file: this.#file, table: 'chaos', mode: 'append' } };
      const key = { 'idempotency-key': randomUUID() };
      this.started.add((await this.#request('POST', '/api/tasks', 'application/json', JSON.stringify(task), key)).id);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  /** Again and again until it is taken: the key says that it is the same. */
  async #request(method, path, type, body, more = {}) {
    for (;;) {
      const headers = { ...this.#headers, ...more, 'content-type': type };
      const answer = await fetch(`${this.#url}${path}`, { method, headers, body, signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
      if (answer?.ok) return answer.json();
      if (answer && answer.status < 500 && answer.status !== 429) throw new Error(`${answer.status}: ${await answer.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
