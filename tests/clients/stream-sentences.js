/** What every client of server-sent events must be able to do. Each sentence has somebody of its own, so that none hears another. */

import assert from 'node:assert/strict';

import { until } from '../browser/browser.js';
import { pods, request, uniqueUser } from '../browser/pods/pods.js';
import { Publisher } from './publisher.js';
import { connected, cutInTheMiddle, heard, nothingMissed, PATIENCE, publishing } from './scene.js';

export const sentences = [
  {
    does: 'connects with a token, hears what is for it, and nothing else',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user);
      const [publisher, stranger] = [new Publisher(user), new Publisher(uniqueUser('eve'))];
      await stranger.next();
      await publisher.next();
      await heard(client, 1);
      assert.deepEqual(client.ear.event.map(({ audience, data }) => [audience, data]), [[`user:${user}`, { number: 0 }]]);
      assert.deepEqual(client.ear.gap, []);
    },
  },
  {
    does: 'hears all events in the order in which they were published, each once',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user);
      const publisher = publishing(scene, user);
      for (let number = 0; number < scene.row.many; number++) await publisher.next();
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'led to the other pod, has missed nothing and hears nothing twice',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user);
      const publisher = publishing(scene, user);
      await cutInTheMiddle(scene, client, publisher);
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'cut off before its first event, has missed nothing',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user);
      await scene.route.away();
      const publisher = publishing(scene, user);
      for (let number = 0; number < scene.row.some; number++) await publisher.next();
      await scene.route.otherPod();
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'cut off in the middle of an event, gets it whole, and once',
    needs: 'tear',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user);
      const publisher = publishing(scene, user);
      await publisher.next();
      await heard(client, 1);
      scene.route.tear('"number":1');
      for (let number = 1; number < scene.row.some; number++) await publisher.next();
      await nothingMissed(client, publisher);
      assert.ok(client.ear.times('connected') >= 2, 'it was cut off');
    },
  },
  {
    does: 'is let go when its token ends, and comes back with a fresh one, missing nothing',
    async run(scene) {
      const { row, site } = scene;
      const user = uniqueUser('ada');
      site.endEarly(user, 4);
      const client = await connected(scene, user);
      site.goodAgain(user);
      const publisher = publishing(scene, user);
      publisher.keepOn(row.pause);
      await until(() => client.ear.times('connected'), (times) => times >= 2, PATIENCE);
      await heard(client, publisher.published + row.some);
      await nothingMissed(client, publisher);
    },
  },
  {
    does: 'is told of a gap once where its cursor is not known, though it is cut off at once, and hears on',
    async run(scene) {
      const user = uniqueUser('ada');
      const client = await connected(scene, user, { after: await unknownCursor(user) });
      assert.deepEqual(await until(() => client.ear.gap, (all) => all.length > 0, PATIENCE), ['lost']);
      await scene.route.away();
      await scene.route.otherPod();
      await until(() => client.ear.times('connected'), (times) => times >= 2, PATIENCE);
      const publisher = publishing(scene, user);
      for (let number = 0; number < scene.row.some; number++) await publisher.next();
      await heard(client, scene.row.some);
      assert.deepEqual(client.ear.numbers, await publisher.stop());
      assert.deepEqual(client.ear.gap, ['lost']);
    },
  },
];

/** A cursor of a log that is no more: at its place stands something else now. */
async function unknownCursor(user) {
  const stream = await request(pods[0], user, '/events');
  for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
    const [, place] = /^id: (\w{16})\w{8}\n/m.exec(piece) ?? [];
    if (place) return `${place}00000001`; // leaving the loop ends the stream
  }
  throw new Error('the stream told no cursor');
}
