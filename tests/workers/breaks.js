/** The break list of the Rust host: whatever befalls a worker, an effect comes about once and its end is shown once. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Line, PATIENCE, cancel, granted, newJob, pods, request, see, start, until, workerUrl } from './stage.js';

/** @param {import('./scene.js').Scene} scene */
export function breaks(scene) {
  describe(`a worker in ${scene.language}, and what befalls it`, () => {
    test('a job whose worker is killed is done by another', async () => {
      const first = await scene.worker();
      const task = await start(scene.ada, scene.kind, { trick: 'hold' });
      await first.until(task);
      await first.kill();
      await scene.operator.untilDepth(scene.kind, '', 1);
      await scene.folder.letGo(task);
      await scene.worker();
      const { task: seen } = (await scene.endedOnce(task, 'succeeded')).data;
      assert.deepEqual([seen.attempt, seen.result.new], [2, true]);
    });

    test('a worker that is killed between its effect and its word has had it once', async () => {
      const first = await scene.worker();
      const task = await start(scene.ada, scene.kind, { trick: 'die' });
      await first.ended;
      // Its effect was had; the next one is told to do the rest.
      const lost = await until(() => scene.operator.channel.get(scene.queue), Boolean, PATIENCE);
      await scene.operator.put(scene.kind, lost.content.toString().replace('"die"', '"finish"'));
      scene.operator.channel.ack(lost);
      await scene.worker();
      assert.equal((await scene.endedOnce(task, 'succeeded')).data.task.result.new, false);
    });

    test('a worker that is cut off before it can tell the end tells it when the broker is back', async () => {
      const line = await Line.to(workerUrl(scene.kind));
      scene.closing.push(() => line.close());
      const cutOff = await scene.worker({ url: line.url });
      const task = await start(scene.ada, scene.kind, { trick: 'hold' });
      await cutOff.until(task);
      line.cut();
      await scene.folder.letGo(task);
      await until(() => cutOff.said, (said) => said.includes(`the end of task ${task} is not told yet`), PATIENCE);
      await scene.operator.untilDepth(scene.kind, '', 1);
      line.restore();
      // By its own publication, or that of the attempt after it, which takes the job away.
      await scene.operator.untilDepth(scene.kind, '', 0);
      await scene.endedOnce(task, 'succeeded');
    });

    test('a worker that is cut off and the one that got its job have one effect', async () => {
      const line = await Line.to(workerUrl(scene.kind));
      scene.closing.push(() => line.close());
      const cutOff = await scene.worker({ url: line.url });
      const task = await start(scene.ada, scene.kind, { trick: 'hold' });
      await cutOff.until(task);
      line.cut();
      const other = await scene.worker();
      await other.until(task);
      await scene.folder.letGo(task);
      line.restore();
      await scene.endedOnce(task, 'succeeded');
    });

    test('a job that is to be tried again is not doubled when its connection ends on the way', async () => {
      const line = await Line.to(workerUrl(scene.kind));
      scene.closing.push(() => line.close());
      const counter = await scene.operator.counter(`${scene.kind}.retry.1s`);
      scene.closing.push(counter.close);
      const program = await scene.worker({ url: line.url });
      const job = granted(newJob(scene.kind, scene.ada, { trick: 'late', times: 1 }));
      await scene.operator.put(scene.kind, job);
      await until(() => scene.ears.of(job.task), (told) => told.some(({ type }) => type === 'bellwire.task.started'), PATIENCE);
      line.hold();
      line.break('publish');
      await scene.folder.letGo(job.task);
      const said = await until(() => program.said, (said) => said.includes('an event of a running task was not published'), PATIENCE);
      // The job comes after that; the event had waited for a connection of its own, or still used the one that was broken.
      await line.untilHeld(said.includes('no confirm') ? 2 : 1);
      line.break('jobs');
      await until(() => program.said, (said) => said.includes('lost the broker (jobs)'), PATIENCE);
      line.release();
      await scene.endedOnce(job.task, 'succeeded');
      assert.equal(await counter.copies(), 0);
    });

    test('a job that waited for a time is not doubled when its connection ends on the way to its lane', async () => {
      const line = await Line.to(workerUrl(scene.kind));
      scene.closing.push(() => line.close());
      const counter = await scene.operator.counter(`${scene.kind}.bulk.3`);
      scene.closing.push(counter.close);
      const program = await scene.worker({ url: line.url });
      // It has read the log then, for which it publishes.
      await scene.operator.untilConsumed(scene.kind);
      line.hold();
      line.break('publish');
      const job = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }, { attempts: 1, backlog: 40 }));
      await scene.operator.put(scene.kind, job);
      // Its copy is to be published.
      await line.untilHeld(1);
      line.break('jobs');
      await until(() => program.said, (said) => said.includes('lost the broker (jobs)'), PATIENCE);
      line.release();
      await scene.endedOnce(job.task, 'succeeded');
      assert.equal(await counter.copies(), 1);
    });

    test('a task that was cancelled before a worker came is not begun', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'finish' });
      await cancel(scene.ada, task);
      // Behind it in the queue, and taken by one who takes one after the other.
      const next = await start(scene.ada, scene.kind, { trick: 'finish' });
      const late = await scene.worker({ concurrency: 1 });
      await scene.ears.end(next);
      await scene.endedOnce(task, 'cancelled');
      assert.deepEqual(late.begun(task), []);
    });

    test('a job that is tried again waits in its own lane, behind the first jobs of others', async () => {
      const retried = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }, { attempts: 1, backlog: 40 }));
      const first = granted(newJob(scene.kind, scene.ada, { trick: 'hold' }));
      for (const job of [retried, first]) await scene.operator.put(scene.kind, job);
      const program = await scene.worker({ concurrency: 1 });
      await program.until(first.task);
      await scene.operator.untilDepth(scene.kind, '.bulk.3', 1);
      await scene.folder.letGo(first.task);
      await scene.ears.end(first.task);
      assert.equal((await scene.endedOnce(retried.task, 'succeeded')).data.task.attempt, 2);
    });

    test('a lane that does not take a job is sent none for a while, and its jobs are run where they are', async () => {
      const { channel } = scene.operator;
      const [lane, exchange, key] = [`${scene.queue}.bulk.3`, 'bellwire.dev.jobs', `${scene.kind}.bulk.3`];
      await channel.unbindQueue(lane, exchange, key);
      scene.closing.push(() => channel.bindQueue(lane, exchange, key));
      const program = await scene.worker();
      for (let number = 0; number < 2; number++) {
        const job = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }, { attempts: 1, backlog: 40 }));
        await scene.operator.put(scene.kind, job);
        await scene.ears.end(job.task);
      }
      assert.equal(program.said.match(/not moved to its lane/g)?.length, 1, program.said);
    });

    test('jobs on their way to their own lane let another go first as those that are run do', async () => {
      const other = granted(newJob(scene.kind, scene.ada, { trick: 'hold' }, { backlog: 1 }));
      const retried = Array.from({ length: 40 }, () => granted(newJob(scene.kind, scene.ada, { trick: 'finish' }, { attempts: 1, backlog: 2 })));
      await scene.operator.put(scene.kind, other, { lane: '.bulk.1' });
      for (const job of retried) await scene.operator.put(scene.kind, job);
      const program = await scene.worker({ concurrency: 1 });
      await program.until(other.task);
      assert.ok((await scene.operator.depth(scene.kind, '')) > 0, 'they were all moved before');
      await scene.folder.letGo(other.task);
      for (const { task } of [other, ...retried]) await scene.ears.end(task);
    });

    test('a job of high priority overtakes those that wait, and those of low priority wait behind all', async () => {
      const program = await scene.worker({ concurrency: 1 });
      const job = (priority, trick = 'finish', backlog = 0) => granted(newJob(scene.kind, scene.ada, { trick }, { priority, backlog }));
      const busy = job('normal', 'hold');
      await scene.operator.put(scene.kind, busy);
      await program.until(busy.task);
      const [lower, low, high] = [job('low', 'finish', 9), job('low'), job('high')];
      const others = [job('normal'), job('normal')];
      await scene.operator.put(scene.kind, lower, { lane: '.low.2' });
      await scene.operator.put(scene.kind, low, { lane: '.low.1' });
      for (const other of others) await scene.operator.put(scene.kind, other);
      await scene.operator.put(scene.kind, high, { lane: '.high' });
      await scene.folder.letGo(busy.task);
      for (const { task } of [low, lower]) await scene.ears.end(task);
      const order = program.begun().map(({ task }) => task);
      assert.deepEqual([order[0], order[1], order.slice(2, 4)], [busy.task, high.task, others.map(({ task }) => task)]);
      assert.deepEqual(order.slice(4).sort(), [low.task, lower.task].sort());
    });

    test('a job whose time has not come is begun then, and was no attempt before', async () => {
      const program = await scene.worker();
      const time = new Date(Date.now() + 2500).toISOString();
      const body = { kind: scene.kind, title: 'Later', input: { trick: 'finish' }, not_before: time, priority: 'low' };
      const { id: task } = await (await request(pods[0], scene.ada, '/api/tasks', { method: 'POST', body })).json();
      const { data, time: ended } = await scene.ears.end(task);
      assert.ok(Date.parse(ended) >= Date.parse(time), `${ended}, not before ${time}`);
      assert.deepEqual([program.begun(task).length, data.task.attempt, data.task.state], [1, 1, 'succeeded']);
      await scene.endedOnce(task, 'succeeded');
    });

    test('a job that waits for its time and was cancelled is never begun', async () => {
      const body = { kind: scene.kind, input: { trick: 'finish' }, delay: '2s' };
      const { id: task } = await (await request(pods[0], scene.ada, '/api/tasks', { method: 'POST', body })).json();
      await cancel(scene.ada, task);
      const program = await scene.worker();
      const told = () => scene.ears.of(task).find(({ type, source }) => type === 'bellwire.task.cancelled' && source === `/functions/${scene.kind}`);
      await until(told, Boolean, PATIENCE);
      assert.deepEqual(program.begun(task), []);
      await scene.endedOnce(task, 'cancelled');
    });

    test('a job that comes twice is not run again once its task has succeeded', async () => {
      const first = await scene.worker();
      const job = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }));
      await scene.operator.put(scene.kind, job);
      await scene.ears.end(job.task);
      await scene.operator.put(scene.kind, job);
      await scene.operator.untilDepth(scene.kind, '', 0);
      await first.stop();
      // One that knows it from the log alone.
      await scene.operator.put(scene.kind, job);
      const second = await scene.worker();
      await scene.operator.untilDepth(scene.kind, '', 0);
      await scene.endedOnce(job.task, 'succeeded');
      assert.deepEqual([first.begun(job.task).length, second.begun(job.task).length], [1, 0]);
    });

    test('a job that was lost and moved each time is given up unrun', async () => {
      const job = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }, { attempts: 40 }));
      await scene.operator.put(scene.kind, job);
      const program = await scene.worker();
      assert.equal((await scene.ears.end(job.task)).data.task.error.reason, 'lost');
      assert.deepEqual(program.begun(job.task), []);
      await scene.operator.takeDead(scene.kind, 1);
    });

    test('a job that was lost with its worker each time is given up unrun', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'finish' });
      for (let lost = 0; lost < 11; lost++) await scene.operator.takeAndLose(scene.queue);
      const program = await scene.worker();
      assert.equal((await scene.ears.end(task)).data.task.error.reason, 'lost');
      assert.deepEqual(program.begun(task), []);
      const [{ headers }] = await scene.operator.takeDead(scene.kind, 1);
      assert.match(headers.reason, /given up after attempt 12: lost/);
    });

    test('a job that cannot be moved to its retry queue is given back and tried again', async () => {
      const { channel } = scene.operator;
      const [retry, exchange, key] = [`${scene.queue}.retry.1s`, 'bellwire.dev.jobs', `${scene.kind}.retry.1s`];
      const program = await scene.worker();
      await channel.unbindQueue(retry, exchange, key);
      const task = await start(scene.ada, scene.kind, { trick: 'busy', times: 1 });
      await until(() => program.said, (said) => said.includes('a job was not settled'), PATIENCE);
      await channel.bindQueue(retry, exchange, key);
      assert.equal((await scene.endedOnce(task, 'succeeded')).data.task.attempt, 2);
    });

    test('a worker that is told to stop lets its job finish and takes no more', async () => {
      const program = await scene.worker({ concurrency: 2 });
      const task = await start(scene.ada, scene.kind, { trick: 'hold' });
      await program.until(task);
      const stopped = program.stop();
      await until(() => program.said, (said) => said.includes('stopping'), PATIENCE);
      const late = await start(scene.ada, scene.kind, { trick: 'finish' });
      await scene.folder.letGo(task);
      await stopped;
      assert.equal((await scene.ears.end(task)).type, 'bellwire.task.succeeded');
      assert.equal((await see(scene.ada, late)).state, 'queued');
      await scene.worker();
      await scene.endedOnce(late, 'succeeded');
    });

    test('a job that a worker was pushed when it was told to stop goes back, and was no attempt', async () => {
      const line = await Line.to(workerUrl(scene.kind));
      scene.closing.push(() => line.close());
      const program = await scene.worker({ url: line.url });
      await scene.operator.untilConsumed(scene.kind);
      // It has the job, and waits for the word that no other comes.
      line.mute('jobs');
      const job = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }));
      await scene.operator.put(scene.kind, job);
      await scene.operator.untilDepth(scene.kind, '', 0);
      const stopped = program.stop();
      await until(() => program.said, (said) => said.includes('stopping'), PATIENCE);
      line.unmute('jobs');
      await stopped;
      assert.deepEqual(program.begun(), []);
      await scene.worker();
      assert.equal((await scene.endedOnce(job.task, 'succeeded')).data.task.attempt, 1);
    });

    for (const trick of ['hold', 'deaf']) {
      test(`what outlasts the grace (${trick}) is given back and done by another`, async () => {
        const program = await scene.worker({ grace: 0 });
        const task = await start(scene.ada, scene.kind, { trick });
        await program.until(task);
        await program.stop();
        assert.equal(program.process.exitCode, 0, program.said);
        await scene.operator.untilDepth(scene.kind, '', 1);
        assert.ok(!scene.ears.of(task).some(({ type }) => type.includes('failed')));
        await scene.folder.letGo(task);
        await scene.worker();
        await scene.endedOnce(task, 'succeeded');
      });
    }

    test('a run past its deadline is stopped and failed for good', async () => {
      await scene.worker({ deadline: 0.2 });
      const task = await start(scene.ada, scene.kind, { trick: 'hold' });
      const { error } = (await scene.endedOnce(task, 'failed')).data.task;
      assert.deepEqual(error, { reason: 'deadline', message: 'It took longer than the 0.2 seconds that it may take.' });
    });

    test('a worker without a storage says so, and its jobs can be tried again', async () => {
      await scene.worker({ files: '', attempts: 1 });
      const much = await start(scene.ada, scene.kind, { trick: 'much' });
      assert.match((await scene.ears.end(much)).data.task.result.omitted, /the worker has no storage/);
      const job = granted(newJob(scene.kind, scene.ada, null, { stored_input: '01JD/input.json' }));
      await scene.operator.put(scene.kind, job);
      assert.equal((await scene.ears.end(job.task)).data.task.error.message, 'This worker has no storage, in which its input lies.');
      assert.match((await scene.operator.takeDead(scene.kind, 1))[0].headers.reason, /no storage/);
    });
  });
}
