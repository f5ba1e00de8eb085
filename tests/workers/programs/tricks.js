/** A worker whose function does as it is told; what it does is told on standard output, a JSON object a line. */

import { access, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Cancelled, Permanent, Retry, Worker } from '@bellwire/worker';

const { AMQP_URL, BELLWIRE_FILES, BELLWIRE_KEYS, TRICKS_FOLDER, TRICKS_KIND, TRICKS_OPTIONS } = process.env;
const { deadline = 60, ...options } = JSON.parse(TRICKS_OPTIONS);
const worker = new Worker(AMQP_URL, { environment: 'dev', keys: BELLWIRE_KEYS.split(','), files: BELLWIRE_FILES, ...options });
const tell = (word) => console.log(JSON.stringify(word));

/** A file for each task, made by whoever is first; false if it was there. */
async function effect(task, heeds = true) {
  const path = join(TRICKS_FOLDER, `${task.id}.effect`);
  const file = await open(path, 'wx').catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if (!file) return false;
  await file.close();
  if (heeds && task.cancelled) await rm(path);
  if (heeds) task.check();
  return true;
}

async function letGo(task, { signal } = {}) {
  while (!(await access(join(TRICKS_FOLDER, `${task.id}.go`)).then(() => true, () => false))) await pause(20, undefined, { signal });
}

const tricks = {
  finish: async (task) => task.progress(0.5),
  hold: (task) => letGo(task, task),
  deaf: (task) => letGo(task),
  async unheard(task) {
    while (!task.cancelled) await pause(20);
    return { output: { new: await effect(task, false) } };
  },
  sour() {
    throw new Permanent('it is sour', { reason: 'sour' });
  },
  busy(task, { times }) {
    if (task.attempt <= times) throw new Retry('the database is away', { after: 1 });
  },
  crash(task, { times }) {
    if (task.attempt <= times) throw new Error('as told');
  },
  async late(task, { times }) {
    if (task.attempt > times) return;
    await letGo(task);
    throw new Retry('the database is away', { after: 1 });
  },
  async die(task) {
    await effect(task);
    process.kill(process.pid, 'SIGKILL');
    await pause(60_000);
  },
  much: () => ({ output: { much: 'x'.repeat(70_000), rows: 7 }, toast: { title: 'Much' } }),
  number: (task) => ({ output: { is_text: task.inputText.endsWith('"n": 12345678901234567890123}'), length: task.inputText.length } }),
  strange: () => ({
    output: { letters: '\ud83d', label: 'é€😀' },
    toast: { title: 'half a letter \ud83d', body: 'é€😀'.repeat(1000), action: { label: 'x', href: 'javascript:alert(1)' } },
  }),
  plain: () => 'just text',
  odd: () => ({ output: { rows: 7 }, toast: { title: { toString: null } } }),
  nothing: () => ({ output: { much: NaN } }),
  thread: async (task) => ({ output: { new: await effect(task) } }),
  cancelled() {
    throw new Cancelled();
  },
};

worker.function(TRICKS_KIND, {
  title: 'Tricks of Node',
  schema: { type: 'object' },
  offers: [{ name: 'finish', title: 'Finish', input: { trick: 'finish' } }],
  check: (input) => {
    if ('sweet' in (input ?? {})) throw new Error('sweet is no field');
  },
  deadline,
}, async (task, input) => {
  tell({ word: 'begun', task: task.id, attempt: task.attempt, by: 'node', owner: task.owner });
  const told = await tricks[input.trick](task, input);
  if (told) return told;
  const isNew = await effect(task);
  return { output: { attempt: task.attempt, new: isNew }, toast: { title: `${task.title} is done`, body: 'By Node', action: { label: 'Look', href: '/look' } } };
});

await worker.run();
