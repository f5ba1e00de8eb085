// A stream that is cut at any byte: the place that a client keeps is that of an event that it has heard.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { pods, request, uniqueUser } from '../browser/pods/pods.js';
import { Publisher } from './publisher.js';

// It keeps an id as soon as its line is there, unlike all others.
const { getLines, getMessages } = createRequire(import.meta.url)('@microsoft/fetch-event-source/lib/cjs/parse.js');

test('fetch-event-source keeps the place of no event that it has not heard, but for a cut before the last byte of a frame', async () => {
  const bytes = await recorded(3);
  const torn = [];
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { kept, heard } = parsed(bytes.subarray(0, cut));
    if (kept && !heard.includes(kept)) torn.push(cut);
  }
  const frames = new TextDecoder().decode(bytes).match(/\nid: .*\n(?=\n)/g);
  assert.ok(frames.length >= 4, 'the first cursor and three events');
  assert.ok(torn.every((cut) => bytes[cut] === 10 && bytes[cut - 1] === 10), `cut at ${torn}`);
  assert.ok(torn.length <= frames.length); // a heartbeat tells a place that is known
});

function parsed(bytes) {
  let kept;
  const heard = [];
  getLines(getMessages((id) => (kept = id), () => {}, ({ id }) => heard.push(id)))(bytes);
  return { kept, heard };
}

/** A stream from its beginning to so many events. */
async function recorded(count) {
  const user = uniqueUser('ada');
  const stream = await request(pods[0], user, '/events');
  const publisher = new Publisher(user);
  const pieces = [];
  for await (const piece of stream.body) {
    pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    if (!text.includes('\nid: ')) continue;
    const heard = text.match(/"number":/g)?.length ?? 0;
    if (heard === count && text.endsWith('\n\n')) break;
    if (heard === publisher.published) await publisher.next();
  }
  await publisher.stop();
  return new Uint8Array(Buffer.concat(pieces));
}
