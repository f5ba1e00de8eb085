/** A program that publishes numbered events to one person, over the pods' API and past every balancer. */

import { randomUUID } from 'node:crypto';

import { pods, request } from '../browser/pods/pods.js';

export class Publisher {
  /** So many were published and confirmed. */
  published = 0;
  #user;
  #going = null;

  constructor(user) {
    this.#user = user;
  }

  /** The next number, on either pod in turn; back when it is confirmed. */
  async next() {
    const number = this.published;
    const event = { specversion: '1.0', id: randomUUID(), source: '/tests/clients', type: 'tests.number', audience: `user:${this.#user}`, data: { number } };
    const answer = await request(pods[number % pods.length], 'a-program', '/api/events', { method: 'POST', body: event, type: 'application/cloudevents+json' });
    if (answer.status !== 202) throw new Error(`the pod answered ${answer.status}: ${await answer.text()}`);
    this.published += 1;
  }

  /** Goes on, one after the other with a pause of so many milliseconds, until `stop`. */
  keepOn(pause) {
    let wanted = true;
    const run = async () => {
      while (wanted) {
        await this.next();
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    };
    this.#going = { ended: run(), stop: () => (wanted = false) };
    this.#going.ended.catch(() => {}); // told by `stop`
  }

  /** Stops and waits for the last; answers all numbers. */
  async stop() {
    this.#going?.stop();
    await this.#going?.ended;
    return Array.from({ length: this.published }, (_, number) => number);
  }
}
