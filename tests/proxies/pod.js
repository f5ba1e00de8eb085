/** A pod of its own that can be replaced: it stops as an orchestrator stops it, and another starts at its address. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { until } from '../browser/browser.js';
import { freePort } from './proxy.js';

export class Pod {
  #process;
  #said = '';

  /** Starts one and waits until it is ready. */
  static async start() {
    const pod = new Pod();
    [pod.port, pod.adminPort] = [await freePort(), await freePort()];
    await pod.#begin();
    return pod;
  }

  /** Tells it to stop, waits for its end, and starts another. */
  async replace() {
    await this.stop();
    await this.#begin();
  }

  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const [code] = await ended;
    if (code !== 0) throw new Error(`it ended with ${code}: ${this.#said}`);
  }

  /** Ends it as if its machine were gone, and starts another at its address. */
  async killAndReplace() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
    await this.#begin();
  }

  /** Stops its time. */
  freeze() {
    this.#process.kill('SIGSTOP');
  }

  thaw() {
    this.#process.kill('SIGCONT');
  }

  async #begin() {
    const env = {
      ...process.env,
      BELLWIRE_BACKPLANE__URL: process.env.BELLWIRE_TEST_GATEWAY_URL,
      BELLWIRE_GATEWAY__LISTEN: `127.0.0.1:${this.port}`,
      BELLWIRE_GATEWAY__ADMIN_LISTEN: `127.0.0.1:${this.adminPort}`,
      BELLWIRE_GATEWAY__LINGER: '5s',
    };
    this.#process = spawn(process.env.BELLWIRE_TEST_GATEWAY, ['--config', process.env.BELLWIRE_TEST_CONFIG], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const output of [this.#process.stdout, this.#process.stderr]) output.setEncoding('utf8').on('data', (words) => (this.#said += words));
    const isReady = () => fetch(`http://127.0.0.1:${this.adminPort}/readyz`).then(({ ok }) => ok, () => false);
    await until(isReady, Boolean, 30_000);
  }
}
