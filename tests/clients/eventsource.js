/** The client `eventsource` in Node; `tell` hears what it tells, by default the ear. */

import { EventSource } from 'eventsource';

import { Ear } from './ear.js';
import { open } from './programs/streams.js';

export async function connect(asked) {
  const ear = new Ear();
  const stream = await open('eventsource', { EventSource }, asked, asked.tell ?? ear.tell);
  return { ear, stop: async () => stream.stop() };
}
