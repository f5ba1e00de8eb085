/** What is said of both languages at once, since it befalls the broker itself or needs a worker of each. */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';

import { Folder, Listener, Operator, PATIENCE, Program, restartBroker, see, start, uniqueUser, until } from './stage.js';

let operator, folder, ada, ears;
const programs = [];

before(async () => {
  [operator, folder] = [await Operator.connect(), await Folder.make()];
  ada = uniqueUser('ada');
  ears = await Listener.start(ada);
});
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.isGone || program.stop()));
});
after(async () => {
  await ears?.stop();
  await operator?.close();
  await rm(folder.path, { recursive: true });
});

/** A worker of each language. */
async function both(kinds, options) {
  const started = ['python', 'node'].map((language, index) => Program.start(language, kinds[index], { folder: folder.path, grace: 5, ...options }));
  programs.push(...(await Promise.all(started)));
  return programs;
}

test('workers of two languages share the work of one queue', async () => {
  const workers = await both(['tricks-both', 'tricks-both'], { concurrency: 1 });
  const tasks = [];
  for (let number = 0; number < 4; number++) tasks.push(await start(ada, 'tricks-both', { trick: 'hold' }));
  for (const each of workers) await until(() => each.begun().length, (begun) => begun === 1, PATIENCE);
  for (const task of tasks) await folder.letGo(task);
  for (const task of tasks) assert.equal((await ears.end(task)).type, 'bellwire.task.succeeded');
  assert.equal(workers[0].begun().length + workers[1].begun().length, tasks.length);
});

test('a broker that restarts under a running job loses nothing, and each end is shown once', async () => {
  const kinds = ['tricks-python', 'tricks-node'];
  const workers = await both(kinds);
  const tasks = await Promise.all(kinds.map((kind) => start(ada, kind, { trick: 'hold' })));
  await Promise.all(workers.map((worker, index) => worker.until(tasks[index])));
  await restartBroker();
  await Promise.all(tasks.map((task) => folder.letGo(task)));
  await Promise.all(tasks.map((task) => until(() => see(ada, task), ({ state }) => state === 'succeeded', PATIENCE)));
  // Each goes on with what comes after, and the log still tells it what is cancelled.
  const next = await Promise.all(kinds.map((kind) => start(ada, kind, { trick: 'finish' })));
  await Promise.all(next.map((task) => until(() => see(ada, task), ({ state }) => state === 'succeeded', PATIENCE)));
  // The other pod, on which she listens, reads the log again in its own time.
  for (const task of [...tasks, ...next]) await ears.end(task);
  for (const task of [...tasks, ...next]) {
    assert.deepEqual(ears.of(task).filter(({ type }) => type.endsWith('succeeded')).map(({ id }) => id), [`${task}.succeeded`]);
  }
});
