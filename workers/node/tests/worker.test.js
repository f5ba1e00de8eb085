/** What can be said of a worker without a broker. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { NotAJob, Permanent, TooLarge } from '../src/errors.js';
import { readKey } from '../src/grant.js';
import { Worker } from '../src/index.js';
import { Job } from '../src/job.js';
import { shape, withMember, written } from '../src/json-text.js';
import { Storage, href } from '../src/storage.js';
import { TaskEvents, summary } from '../src/task-events.js';
import { Turns } from '../src/turns.js';

const PROTOCOL = await readFile(new URL('../../../docs/job-protocol.md', import.meta.url), 'utf8');
const EXAMPLE = PROTOCOL.split('<!-- example: job -->\n```json\n')[1].split('```')[0];
const PUBLIC = 'ISk5JxiMfP3dJFSbVgklB3LdSVLF0I0zIZk-RfdYQKI';
const KEY = readKey(PUBLIC);
const read = (text) => Job.read(Buffer.from(text));
const silent = { info() {}, warn() {}, error() {} };

test('the job of the protocol is its owners in its environment alone', () => {
  read(EXAMPLE).check('prod', 'invoices', [KEY]);
  assert.throws(() => read(EXAMPLE).check('test', 'invoices', [KEY]), NotAJob);
  assert.throws(() => read(EXAMPLE).check('prod', 'invoices', []), NotAJob);
  assert.throws(() => read(EXAMPLE.replaceAll('123456789Z', '123456788Z')).check('prod', 'invoices', [KEY]), NotAJob);
  assert.throws(() => read(EXAMPLE.replace('iePABA"', 'iePABB"')).check('prod', 'invoices', [KEY]), NotAJob);
});

test('only the attempts of a job change however it is written', () => {
  for (const [text, changed] of [
    ['{"a":"\\"attempts\\": 9","attempts":0,"b":{"attempts":7},"n":1e400}', '{"a":"\\"attempts\\": 9","attempts":3,"b":{"attempts":7},"n":1e400}'],
    ['{ "b" : [ "}" , {"attempts":1}, "\\\\" ] ,\n"attempts" : 10 }', '{ "b" : [ "}" , {"attempts":1}, "\\\\" ] ,\n"attempts" : 3 }'],
    ['{"b":12345678901234567890123}', '{"attempts":3,"b":12345678901234567890123}'],
    ['{}', '{"attempts":3}'],
  ]) assert.equal(withMember(text, 'attempts', '3'), changed);
});

test('what JSON cannot say is not written as something else', () => {
  assert.throws(() => written({ a: NaN }), /a is NaN/);
  assert.throws(() => written([Infinity]), /no JSON/);
  assert.throws(() => written(1n), TypeError);
  assert.equal(written('half \ud83d, whole 😀, \\ud83d'), '"half \ufffd, whole 😀, \\\\ud83d"');
});

test('a long text is measured at once', () => {
  assert.ok(shape(JSON.stringify('\\'.repeat(4_000_000))).memory < 9_000_000);
  assert.equal(shape('[{"a":[]},[[{}]],"[[[[["]').depth, 4);
});

test('a result that no event holds is refused by its bytes, values or depth', () => {
  const events = new TaskEvents(read(EXAMPLE), 1, silent);
  let deep = [];
  for (let level = 0; level < 130; level++) deep = [deep];
  for (const output of ['x'.repeat(66_000), Array(3000).fill({}), deep]) assert.throws(() => events.succeeded({ output }), TooLarge);
  const toast = { title: ' ', level: 'loud', action: { label: 'x', href: '//evil.example' } };
  const { data } = JSON.parse(events.succeeded({ output: { pages: 12 }, toast }).body.toString());
  assert.deepEqual(data.toast, { level: 'info', title: 'Invoices of May succeeded' });
});

test('what stays of a large result is small and whole', () => {
  const short = summary({ rows: 7, long: 'x'.repeat(9000), columns: [1], more: {}, done: true }, '01JD/result.json', 9);
  assert.deepEqual(short, { rows: 7, done: true, href: '/api/files/01JD/result.json', bytes: 9, stored: '01JD/result.json' });
  assert.equal(summary([1], 'a/b', 1).stored, 'a/b');
});

test("no key leaves its owner's folder", () => {
  const storage = new Storage('file:/files');
  assert.equal(storage.path('prod', 'Ada@x', '01JD/50% ö.csv'), '/files/prod/%41da%40x/01JD/50%25%20%C3%B6.csv');
  assert.equal(href('01JD/50% ö?#.csv'), '/api/files/01JD/50%25%20%C3%B6%3F%23.csv');
  for (const bad of ['', 'x', '/etc/passwd', '../x', 'a/..', 'a/.', 'a/../b', 'a//b', 'a/b/c', 'a/b\0', 'a/', './b', 'é/b', 'a/b\\c', 'a/b\n']) {
    assert.throws(() => storage.path('prod', 'ada', bad), Permanent, bad);
  }
  for (const bad of ['', '/files', 'file:', 'file://host/x', 's3://bucket']) assert.throws(() => new Storage(bad), TypeError, bad);
});

test('a description is there whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bellwire-worker-'));
  await new Storage(`file:${folder}`).register('prod', 'invoices', '{}');
  assert.deepEqual(await readdir(join(folder, 'prod/~functions')), ['invoices.json']);
  await rm(folder, { recursive: true });
});

test('what cannot be is refused by its name', () => {
  for (const [options, words] of [
    [{ environment: 'Prod', keys: PUBLIC }, /environment/],
    [{ environment: 'everywhere', keys: PUBLIC }, /environment/],
    [{ environment: 'prod', keys: [] }, /keys/],
    [{ environment: 'prod', keys: ['hunter2'] }, /bellwire key/],
    [{ environment: 'prod', keys: PUBLIC, concurrency: 0 }, /concurrency/],
    [{ environment: 'prod', keys: PUBLIC, files: '/files' }, /files/],
  ]) assert.throws(() => new Worker('amqp://localhost', options), words);
  const worker = new Worker('amqp://localhost', { environment: 'prod', keys: PUBLIC });
  assert.throws(() => worker.function('a b', {}, () => {}), /kind/);
  assert.throws(() => worker.function('invoices', { deadline: 26 * 60 }, () => {}), /deadline/);
});

test('what the broker has counted is not told of a task that waits on', () => {
  const created = new Date(Date.now() - 6 * 3600_000).toISOString();
  for (const [attempts, redeliveries, told] of [[0, 0, 0], [0, 2, 0], [1, 0, 2], [1, 3, 2]]) {
    const job = read(JSON.stringify({ ...JSON.parse(EXAMPLE), created, attempts }));
    const event = new TaskEvents(job, attempts + redeliveries + 1, silent).stillQueued();
    assert.equal(JSON.parse(event.body.toString()).data.task.attempt, told);
  }
});

test('what did not wait is owed no turn', () => {
  const turns = new Turns();
  for (let taken = 0; taken < 32; taken++) turns.took(1, true);
  assert.deepEqual([turns.ranks(), turns.isFirstLast], [[0, 2, 1], true]);
  turns.hadNone(0);
  turns.hadNoneBehindFirst();
  assert.deepEqual([turns.ranks(), turns.isFirstLast], [[2, 1, 0], false]);
  for (let taken = 0; taken < 8; taken++) turns.took(2);
  assert.deepEqual(turns.ranks(), [1, 2, 0]);
  turns.hadNone(1);
  assert.deepEqual(turns.ranks(), [2, 1, 0]);
});
