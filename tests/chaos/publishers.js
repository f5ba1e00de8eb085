/** Programs that publish one event after the other, and each again until it is accepted. */

import { signToken } from '../browser/pods/pods.js';

const TIMEOUT = 3_000;

export class Publisher {
  #isOver = false;
  #number = 0;
  #going;

  /** Publishes to this address what `next` makes, about every `interval` milliseconds, until `stop`. */
  constructor(url, interval, next) {
    this.#going = this.#run(url, interval, next);
    this.#going.catch(() => {}); // told by `stop`
  }

  /** Stops once the last event was accepted. */
  async stop() {
    this.#isOver = true;
    await this.#going;
  }

  async #run(url, interval, next) {
    const headers = { authorization: `Bearer ${signToken('a-program')}`, 'content-type': 'application/cloudevents+json' };
    while (!this.#isOver) {
      const { event, accept } = next(this.#number++);
      const send = () => fetch(`${url}/api/events`, { method: 'POST', headers, body: JSON.stringify(event), signal: AbortSignal.timeout(TIMEOUT) });
      for (;;) {
        const answer = await send().catch(() => undefined);
        if (answer?.status === 202) break;
        // What is wrong with an event stays wrong; anything else is worth another try, by the same id.
        if (answer && answer.status < 500 && answer.status !== 429) throw new Error(`${answer.status}: ${await answer.text()}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      accept();
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  }
}
