/** What a worker in another language does with jobs, said of one that goes on from sentence to sentence. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Listener, PATIENCE, cancel, deadListed, granted, newJob, pods, request, see, start, storeFile, taskId, uniqueUser, until } from './stage.js';

/** @param {import('./scene.js').Scene} scene */
export function doing(scene) {
  describe(`a worker in ${scene.language}`, () => {
    let program;
    before(async () => {
      program = await scene.worker({ attempts: 2 });
      scene.keeps = true;
    });
    after(async () => {
      scene.keeps = false;
      await scene.nothingIsLeft();
    });

    test('a job ends in a toast of its owner, and nobody else is told', async () => {
      const bob = await Listener.start(uniqueUser('bob'));
      scene.closing.push(() => bob.stop());
      const task = await start(scene.ada, scene.kind, { trick: 'finish' }, 'My report');
      const end = await scene.ended(task, 'succeeded');
      assert.deepEqual(end.data.toast, {
        level: 'success', title: 'My report is done', body: `By ${scene.language === 'python' ? 'Python' : 'Node'}`, action: { label: 'Look', href: '/look' },
      });
      assert.deepEqual(end.data.task.result, { attempt: 1, new: true });
      assert.deepEqual([end.id, end.source, end.subject, end.audience], [`${task}.succeeded`, `/functions/${scene.kind}`, `task/${task}`, `user:${scene.ada}`]);
      const told = scene.ears.of(task).filter(({ source }) => source !== '/gateway');
      assert.equal(told[0].id, `${task}.1.started`);
      assert.ok(told.every(({ data }, index) => !index || data.task.sequence > told[index - 1].data.task.sequence), JSON.stringify(told));
      await until(() => see(scene.ada, task), ({ state, progress }) => state === 'succeeded' && progress === 1, PATIENCE);
      assert.deepEqual(bob.events, []);
      const forms = async () => (await (await request(pods[0], scene.ada, '/api/functions')).json()).functions;
      await until(forms, (known) => known.find(({ kind }) => kind === scene.kind)?.offers[0].title === 'Finish', PATIENCE);
    });

    test('what many have submitted is done from every lane', async () => {
      const tasks = [];
      for (let number = 0; number < 6; number++) tasks.push(await start(scene.ada, scene.kind, { trick: 'finish' }));
      for (const task of tasks) assert.equal((await scene.ears.end(task)).type, 'bellwire.task.succeeded');
    });

    test('a running task that is cancelled stops without an effect, and others go on', async () => {
      const [task, other] = [await start(scene.ada, scene.kind, { trick: 'hold' }), await start(scene.ada, scene.kind, { trick: 'hold' })];
      await program.until(task);
      await program.until(other);
      await cancel(scene.ada, task);
      const stopped = () => scene.ears.of(task).find(({ type, source }) => type === 'bellwire.task.cancelled' && source === `/functions/${scene.kind}`);
      await until(stopped, Boolean, PATIENCE);
      await scene.folder.letGo(other);
      await scene.ended(other, 'succeeded');
      assert.equal((await see(scene.ada, task)).state, 'cancelled');
      assert.ok(!program.said.includes('abandoned'));
    });

    test('an effect that came about before the word to stop was seen is told as done', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'unheard' });
      await program.until(task);
      await cancel(scene.ada, task);
      // A success stands above an earlier cancelling.
      await until(() => see(scene.ada, task), ({ state }) => state === 'succeeded', PATIENCE);
    });

    test('a permanent failure is told with its reason and not tried again', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'sour' }, 'My report');
      const end = await scene.ended(task, 'failed');
      assert.deepEqual(end.data.task.error, { reason: 'sour', message: 'it is sour' });
      assert.deepEqual(end.data.toast, { level: 'error', title: 'My report failed', body: 'it is sour' });
    });

    test('wrong input is named and the function does not see it', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'finish', sweet: true });
      assert.deepEqual((await scene.ended(task, 'failed')).data.task.error, { reason: 'input', message: 'input: sweet is no field' });
      assert.deepEqual(program.begun(task), []);
    });

    for (const trick of ['busy', 'crash']) {
      test(`what failed in passing (${trick}) works when it is tried again`, async () => {
        const task = await start(scene.ada, scene.kind, { trick, times: 1 });
        const end = await scene.ended(task, 'succeeded');
        assert.deepEqual([end.data.task.attempt, end.data.task.result.new], [2, true]);
        const waiting = scene.ears.of(task).find(({ id }) => id === `${task}.2.queued`).data.task;
        assert.deepEqual([waiting.state, waiting.sequence, waiting.error.reason], ['queued', 0, trick === 'busy' ? 'unavailable' : 'panic']);
      });
    }

    test('what fails each time is put beside the queue as it came, and an operator sees why', async () => {
      const job = granted(newJob(scene.kind, scene.ada, { trick: 'busy', times: 9 }, { backlog: 1 }));
      // A number that no language's own holds must not change on its way.
      await scene.operator.put(scene.kind, JSON.stringify(job).replace('"times":9', '"times":9,"n":12345678901234567890123,"small":1e-400'), { lane: '.bulk.1' });
      const end = await scene.ears.end(job.task);
      assert.deepEqual(end.data.task.error, { reason: 'unavailable', message: 'the database is away' });
      await scene.operator.untilDepth(scene.kind, '.dead', 1);
      const { dead, jobs: [listed] } = await deadListed(scene.kind);
      assert.deepEqual([dead, listed.id, listed.attempts], [1, job.task, 2], JSON.stringify(listed));
      assert.match(listed.reason, /given up after attempt 2: unavailable: the database is away/);
      const [{ body }] = await scene.operator.takeDead(scene.kind, 1);
      assert.match(body, /"n":12345678901234567890123,"small":1e-400/);
    });

    test('what no gateway of the environment has granted is put beside the queue unrun', async () => {
      const job = (more = {}) => newJob(scene.kind, scene.ada, { trick: 'finish' }, more);
      const good = granted(job());
      const refused = [
        [job(), 'no gateway has signed it'],
        [granted(job(), { environment: 'test' }), 'was not signed by a gateway of this environment'],
        [granted(job(), { secret: 'another secret of another environment' }), 'was not signed by a gateway'],
        [{ ...good, owner: 'eve' }, 'was not signed by a gateway'],
        [{ ...good, groups: ['board'] }, 'was not signed by a gateway'],
        [{ ...good, task: taskId() }, 'its grant is for another job'],
        [{ ...good, created: good.created.replace('123456Z', '123457Z') }, 'its grant is for another job'],
        [granted(job({ owner: 'a b' })), 'its owner is no user id'],
        [granted(job({ kind: 'imports' })), `it is a job for imports, in the queue of ${scene.kind}`],
        [{ ...good, grant: { ...good.grant, signature: `${good.grant.signature.slice(0, -1)}=` } }, 'was not signed by a gateway'],
        ['no JSON', 'it is no job'],
        [Buffer.from([0xff, 0xfe, 0x00]), 'it is no job'],
        ['[1]', 'it is no job'],
        [JSON.stringify(good).replace('{', `{"owner":"eve",`), 'it is no job'],
        [JSON.stringify(good).replace('"attempts":0', '"attempts":-1'), 'it is no job'],
        [JSON.stringify(good).replace('"input":', '"inputs":'), 'it is no job'],
        ['['.repeat(100_000), 'it is no job'],
      ];
      for (const [body] of refused) await scene.operator.put(scene.kind, body);
      await scene.operator.untilDepth(scene.kind, '.dead', refused.length);
      const { jobs } = await deadListed(scene.kind);
      const reasons = (await scene.operator.takeDead(scene.kind, refused.length)).map(({ body, headers }) => [body, headers.reason]);
      for (const [body, words] of refused) {
        // As it came, but for the attempts of what is a job.
        const text = (Buffer.isBuffer(body) ? body.toString() : typeof body === 'string' ? body : JSON.stringify(body)).replace('"attempts":0', '"attempts":1');
        const reason = reasons.find(([dead]) => dead.replace('"attempts":0', '"attempts":1') === text)?.[1];
        assert.ok(reason?.includes(words), `${text.slice(0, 300)}: ${words} in ${reason}`);
      }
      assert.equal(jobs.length, refused.length);
      for (const [body] of refused) assert.ok(!program.words.some(({ task }) => task === body.task && task !== undefined));
      assert.ok(!scene.ears.events.some(({ data }) => data?.task?.owner === 'eve'));
    });

    test('a grant counts to the nanosecond, for groups in any order, and for the steps of a run', async () => {
      const grouped = granted(newJob(scene.kind, scene.ada, { trick: 'finish' }, { groups: ['ops', 'Zürich', 'a', '😀', 'ﬀ'] }));
      const run = granted(newJob('workflows', scene.ada, {}));
      const step = { ...newJob(scene.kind, scene.ada, { trick: 'finish' }, { parent: run.task }), grant: run.grant };
      for (const job of [{ ...grouped, groups: [...grouped.groups].reverse() }, step]) {
        await scene.operator.put(scene.kind, job);
        const end = await scene.ears.end(job.task);
        assert.equal(end.type, 'bellwire.task.succeeded');
        assert.equal(end.data.toast === undefined, job === step, 'a step has no toast of its own');
      }
    });

    test('a large input is read from the storage, with all its digits', async () => {
      const body = JSON.stringify({ kind: scene.kind, input: { trick: 'number', much: 'x'.repeat(70_000), n: 0 } }).replace('"n":0', '"n":12345678901234567890123');
      const { id: task } = await (await request(pods[0], scene.ada, '/api/tasks', { method: 'POST', body })).json();
      const { result } = (await scene.ended(task, 'succeeded')).data.task;
      assert.ok(result.length > 70_000, JSON.stringify(result));
    });

    test('a stored input that cannot be used is a failure in words', async () => {
      const upload = async (content) => (await (await request(pods[0], scene.ada, '/api/files/input.json', { method: 'PUT', body: content })).json()).key;
      for (const [key, words] of [
        [await upload('{ "trick": '), 'is no JSON'],
        [await upload('NaN'), 'is no JSON'],
        [await storeFile(scene.ada, (16 << 20) + 1), 'has more than 16777216 bytes'],
        [await upload(`[{}${',{}'.repeat(200_000)}]`), 'has too many values'],
        ['01JD/gone.json', '01JD/gone.json is not there any more'],
        ['../eve/x', '"../eve/x"'],
        ['01JD/../../eve', '"01JD/../../eve"'],
      ]) {
        const job = granted(newJob(scene.kind, scene.ada, null, { stored_input: key }));
        await scene.operator.put(scene.kind, job);
        const { error } = (await scene.ears.end(job.task)).data.task;
        assert.ok(error.reason === 'input' && error.message.replaceAll("'", '"').includes(words), `${words} in ${JSON.stringify(error)}`);
      }
    });

    test('a result larger than an event is stored and linked, and its small fields stay', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'much' });
      const { result } = (await scene.ended(task, 'succeeded')).data.task;
      assert.deepEqual([result.rows, result.href, result.stored, result.much], [7, `/api/files/${task}/result.json`, `${task}/result.json`, undefined]);
      const whole = await (await request(pods[1], scene.ada, result.href)).json();
      assert.equal(whole.much.length, 70_000);
    });

    test('a result or a toast that no event may hold costs its task nothing', async () => {
      const [strange, nothing] = [await start(scene.ada, scene.kind, { trick: 'strange' }), await start(scene.ada, scene.kind, { trick: 'nothing' })];
      const { task, toast } = (await scene.ears.end(strange)).data;
      assert.equal(task.result.label, 'é€😀');
      assert.match(toast.title, /^half a letter .$/);
      assert.deepEqual([[...toast.body].length, toast.action], [2000, undefined]);
      assert.match((await scene.ended(nothing, 'succeeded')).data.task.result.omitted, /cannot be told: .*(NaN|nan|JSON)/);
      const [plain, odd] = [await start(scene.ada, scene.kind, { trick: 'plain' }), await start(scene.ada, scene.kind, { trick: 'odd' })];
      assert.equal((await scene.ended(plain, 'succeeded')).data.task.result, 'just text');
      assert.equal((await scene.ended(odd, 'succeeded')).data.toast.title, 'A trick succeeded');
    });

    test('a function that does not wait runs beside the connection, and one that ends early is tried again', async () => {
      const task = await start(scene.ada, scene.kind, { trick: 'thread' });
      assert.equal((await scene.ears.end(task)).data.task.result.new, true);
      const early = await start(scene.ada, scene.kind, { trick: 'cancelled' });
      assert.equal((await scene.ears.end(early)).data.task.error.reason, 'stopped');
      await scene.operator.takeDead(scene.kind, 1);
    });
  });
}
