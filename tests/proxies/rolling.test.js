// Two pods behind HAProxy, as infra/proxies has it, are replaced one after the other while programs publish.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:https';
import { after, before, describe, test } from 'node:test';

import { until } from '../browser/browser.js';
import { signToken, uniqueUser } from '../browser/pods/pods.js';
import { Pod } from './pod.js';
import { Proxy } from './proxy.js';

const PUBLISHERS = 8;

/** A program that publishes one event after the other on a connection that it keeps. */
class Publisher {
  accepted = [];
  refused = [];
  #agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  #isOver = false;

  constructor(url, user) {
    this.ended = this.#run(url, user);
  }

  async stop() {
    this.#isOver = true;
    await this.ended;
    this.#agent.destroy();
  }

  async #run(url, user) {
    const headers = { authorization: `Bearer ${signToken('a-program')}`, 'content-type': 'application/cloudevents+json' };
    while (!this.#isOver) {
      const event = { specversion: '1.0', id: randomUUID(), source: '/tests/rolling', type: 'test.said', audience: `user:${user}` };
      const answer = await this.#send(`${url}/api/events`, headers, JSON.stringify(event)).catch((error) => error.message);
      if (answer === 202) this.accepted.push(event.id);
      else this.refused.push(answer);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #send(url, headers, body) {
    return new Promise((resolve, reject) => {
      const sent = request(url, { method: 'POST', headers, agent: this.#agent }, (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
      sent.on('error', reject).end(body);
    });
  }
}

/** A browser that comes back by its cursor whenever its stream ends. */
class Listener {
  heard = [];
  #cursor = '';
  #stream;
  #isOver = false;

  constructor(url, user) {
    this.#listen(`${url}/events?access_token=${signToken(user)}`);
  }

  get isThere() {
    return this.#cursor !== '';
  }

  stop() {
    this.#isOver = true;
    this.#stream.destroy();
  }

  #listen(url) {
    let [text, again] = ['', () => setTimeout(() => this.#isOver || this.#listen(url), 50)];
    this.#stream = request(url, { agent: false, rejectUnauthorized: false, headers: { 'last-event-id': this.#cursor } }, (answer) => {
      answer.setEncoding('utf8').on('close', again).on('error', () => {}).on('data', (more) => {
        const frames = (text + more).split('\n\n');
        text = frames.pop();
        for (const frame of frames) this.#read(frame);
      });
    }).on('error', () => this.#stream.res ?? again()).end();
  }

  #read(frame) {
    const field = (name) => frame.split('\n').find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    if (field('data')) this.heard.push(JSON.parse(field('data')).id);
    this.#cursor = field('id') ?? this.#cursor;
  }
}

for (const file of ['haproxy.cfg', 'haproxy-h2c.cfg']) {
  describe(`behind HAProxy with ${file}`, () => {
    let rolled, proxy;
    before(async () => {
      rolled = await Promise.all([Pod.start(), Pod.start()]);
      proxy = await Proxy.start('haproxy', file, rolled);
    });
    after(async () => {
      await proxy?.stop();
      await Promise.all((rolled ?? []).map((pod) => pod.stop()));
    });

    test('pods are replaced, and no publish is refused, no event is lost or doubled', async (context) => {
      const user = uniqueUser('roll');
      const listener = new Listener(proxy.url, user);
      context.after(() => listener.stop());
      await until(() => listener.isThere, Boolean, 30_000);
      const publishers = Array.from({ length: PUBLISHERS }, () => new Publisher(proxy.url, user));
      context.after(() => Promise.all(publishers.map((publisher) => publisher.stop())));
      for (const [index, pod] of rolled.entries()) {
        // Each of the two has served some, also after the other was replaced.
        const served = async () => (await proxy.log()).split(` ${index + 1} POST `).length;
        const before = await served();
        await until(served, (count) => count > before + 20, 30_000);
        await pod.replace();
        const [back, published] = [await served(), publishers.map(({ accepted }) => accepted.length)];
        await until(served, (count) => count > back + 20, 30_000);
        await until(() => publishers.every(({ accepted }, n) => accepted.length > published[n]));
      }
      await Promise.all(publishers.map((publisher) => publisher.stop()));
      const accepted = publishers.flatMap((publisher) => publisher.accepted);
      assert.deepEqual(publishers.flatMap((publisher) => publisher.refused), [], `of ${accepted.length}`);
      await until(() => listener.heard.length, (count) => count >= accepted.length, 30_000);
      assert.deepEqual(listener.heard.toSorted(), accepted.toSorted());
    });
  });
}
