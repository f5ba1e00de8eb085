/**
 * What every client must be able to do, in one list for all. Each sentence has somebody of its own, so that none hears another.
 * `needs` says what a row must be able to do for it; README says why where one is not.
 */

import assert from 'node:assert/strict';

import { until } from '../browser/browser.js';
import { pods, uniqueUser, upload } from '../browser/pods/pods.js';
import { Publisher } from './publisher.js';
import { connected, cutInTheMiddle, heard, inTime, nothingMissed, PATIENCE, publishing } from './scene.js';

/** What a call came to. */
const called = (client, method, ...words) =>
  inTime(client.invoke(method, ...words), () => `${method} was not answered; the client told ${JSON.stringify(client.ear)}`);

const heardOf = (client, task, state) => until(
  () => client.ear.event.filter(({ subject }) => subject === `task/${task}`).map(({ type }) => type),
  (types) => types.includes(`bellwire.task.${state}`),
  PATIENCE,
);

export const sentences = [
  {
    does: 'connects, hears what is for it, and nothing that it did not ask for',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: 'alone' });
      const [publisher, stranger] = [new Publisher(user), new Publisher(uniqueUser('eve'))];
      await stranger.next();
      await publisher.next();
      await heard(client, 1);
      await called(client, 'ListTasks');
      assert.deepEqual(client.ear.numbers, [0]);
      assert.equal(client.ear.event[0].audience, `user:${user}`);
      assert.deepEqual([client.ear.cursor, client.ear.gap, client.ear.log], [[], [], []]);
    },
  },
  {
    does: 'connects without negotiation too',
    needs: 'skipNegotiation',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: 'url', skipNegotiation: true });
      const publisher = publishing(scene, user);
      await publisher.next();
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'is told its cursor at once and with the keep-alive, when it asks for cursors',
    async run(scene) {
      const client = await connected(scene, uniqueUser('ada'), { comesBack: scene.row.keepsPlace });
      const cursors = await until(() => client.ear.cursor, (all) => all.length >= 3, PATIENCE);
      assert.ok(cursors.every((cursor) => typeof cursor === 'string' && cursor), JSON.stringify(cursors));
      assert.deepEqual(client.ear.log, []);
    },
  },
  {
    does: 'hears all events in the order in which they were published, each once',
    async run(scene) {
      const { row } = scene;
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: row.keepsPlace });
      const publisher = publishing(scene, user);
      for (let number = 1; number <= row.many; number++) {
        await publisher.next();
        if (row.oneAtATime) await heard(client, number);
      }
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'starts a task, finds it in its list, cancels it, and hears of each',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: scene.row.keepsPlace });
      const airports = await upload(pods[1], user, 'airports.csv');
      const input = { workflow: 'airports-later', input: { airports, begin: new Date(Date.now() + 30 * 24 * 3600 * 1000).toISOString() } };
      const task = await called(client, 'StartTask', 'workflows', input, 'Much later');
      assert.deepEqual([task.kind, task.title, task.state], ['workflows', 'Much later', 'queued']);
      await heardOf(client, task.id, 'started');
      const { tasks } = await called(client, 'ListTasks');
      assert.deepEqual(tasks.map(({ id, title }) => [id, title]), [[task.id, 'Much later']]);
      assert.equal((await called(client, 'CancelTask', task.id)).state, 'cancelled');
      await heardOf(client, task.id, 'cancelled');
      const after = await called(client, 'ListTasks');
      assert.deepEqual(after.tasks.map(({ state }) => state), ['cancelled']);
      // In turn to both: each request of the client came to another pod than the one before.
      if (scene.route.passed) assert.equal(new Set(scene.route.passed.map(({ pod }) => pod)).size, 2);
    },
  },
  {
    does: 'is told in words what was wrong with a call, and goes on',
    async run(scene) {
      const client = await connected(scene, uniqueUser('ada'), { comesBack: scene.row.keepsPlace });
      await assert.rejects(called(client, 'Nonsense', 1), /Unknown hub method 'Nonsense'/);
      await assert.rejects(called(client, 'StartTask', 'nonsense', {}, 'x'), /unknown-kind: .*there is no function of kind nonsense here/);
      await assert.rejects(called(client, 'StartTask', 5), /StartTask/);
      await assert.rejects(called(client, 'CancelTask', 'no id'), /there is no such task of yours/);
      assert.deepEqual(await called(client, 'ListTasks'), { tasks: [] });
    },
  },
  {
    does: 'is let go when its token ends, and comes back with a fresh one, missing nothing',
    async run(scene) {
      const { row, site } = scene;
      const user = uniqueUser('ada');
      site.endEarly(user, 4);
      const client = await connected(scene, user, { comesBack: row.keepsPlace });
      site.goodAgain(user);
      const publisher = publishing(scene, user);
      publisher.keepOn(row.pause);
      await until(() => client.ear.times('connected'), (times) => times >= 2, PATIENCE);
      await heard(client, publisher.published + row.some);
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'led to the other pod, has missed nothing and hears nothing twice: by the cursor in its URL',
    needs: 'url',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: 'url' });
      const publisher = publishing(scene, user);
      await cutInTheMiddle(scene, client, publisher);
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'led to the other pod, has missed nothing and hears nothing twice: by the wrapper',
    needs: 'wrapper',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: 'wrapper' });
      const publisher = publishing(scene, user);
      await cutInTheMiddle(scene, client, publisher);
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'led to the other pod, has missed nothing: by invoking Resume; what comes twice has the same name',
    needs: 'Resume',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: 'Resume' });
      const publisher = publishing(scene, user);
      await cutInTheMiddle(scene, client, publisher);
      const all = await publisher.stop();
      const named = () => [...new Map(client.ear.event.map((event) => [`${event.source} ${event.id}`, event.data.number])).values()];
      await until(() => named().length, (count) => count >= all.length, PATIENCE);
      assert.deepEqual(named().sort((a, b) => a - b), all);
      // What is sent again is sent in order, so the last stretch has all of it.
      const numbers = client.ear.numbers;
      const last = numbers.findLastIndex((number, at) => at === 0 || number !== numbers[at - 1] + 1);
      assert.equal(numbers.at(-1), all.at(-1));
      assert.deepEqual(numbers.slice(last), all.slice(numbers[last]));
      assert.deepEqual(client.ear.gap, []);
    },
  },
  {
    does: 'asks for a stateful reconnect, and everything is as without it',
    needs: 'statefulReconnect',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { comesBack: 'url', statefulReconnect: true });
      const publisher = publishing(scene, user);
      await cutInTheMiddle(scene, client, publisher);
      await nothingMissed(client, publisher);
      assert.deepEqual(await called(client, 'ListTasks'), { tasks: [] });
    },
  },
];
