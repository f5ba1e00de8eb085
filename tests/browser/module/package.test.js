// The npm package of the client: packed from a copy, since what lies in `client/` is compiled into the gateway.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url));
const STRICT = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'esnext', '--lib', 'esnext,dom,dom.iterable,dom.asynciterable'];
let folder, app, packed;

const run = promisify(execFile);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bellwire-package-'));
  const client = join(folder, 'client');
  await cp(join(ROOT, 'client'), client, { recursive: true });
  await symlink(MODULES, join(client, 'node_modules')); // npm finds the compiler there and asks no registry
  await run('npm', ['pack', '--offline', '--pack-destination', folder], { cwd: client });
  packed = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  app = join(folder, 'app');
  await mkdir(app);
  await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, packed)], { cwd: app });
});
after(() => rm(folder, { recursive: true }));

/** Compiles a file of the app; answers what the compiler says against it. */
async function complaints(name, text, resolution) {
  await writeFile(join(app, name), text);
  const compiler = join(MODULES, '.bin/tsc');
  return run(compiler, [...STRICT, ...resolution, name], { cwd: app }).then(() => '', ({ stdout }) => stdout);
}

test('it has the version of the workspace, the modules, examples and types, and nothing of the page', async () => {
  const version = /^version = "(.+)"$/m.exec(await readFile(join(ROOT, 'Cargo.toml'), 'utf8'))[1];
  const installed = join(app, 'node_modules/@bellwire/client');
  assert.equal(JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')).version, version);
  const files = await readdir(installed, { recursive: true });
  for (const file of ['bellwire.js', 'module/connection.js', 'types/bellwire.d.ts', 'examples/react.jsx', 'examples/vue.js']) {
    assert.ok(files.includes(file), `${file} is missing: ${files}`);
  }
  assert.deepEqual(files.filter((file) => /^(page|node_modules)\b|tsconfig/.test(file)), []);
  assert.ok(!(await readdir(join(folder, 'client'))).includes('types'), 'packing leaves nothing behind');
});

test('Node imports it, and without a gateway’s URL it says that it needs one', async () => {
  await writeFile(join(app, 'index.js'), `
    import * as bellwire from '@bellwire/client';
    import { lossless } from '@bellwire/client/signalr.js';
    const { connect, fold, isEnd, watchTask, toastName } = bellwire;
    let refusal;
    try { connect({ token: () => 'x' }) } catch (error) { refusal = error.message }
    console.log(JSON.stringify([[connect, fold, isEnd, watchTask, toastName, lossless].map((each) => typeof each), refusal]));
  `);
  const { stdout } = await run('node', ['index.js'], { cwd: app });
  const [kinds, refusal] = JSON.parse(stdout);
  assert.deepEqual(new Set(kinds), new Set(['function']));
  assert.match(refusal, /`url` must name the gateway/);
});

const RIGHT = `
import { connect, fold, isEnd, watchTask, toastName, ApiError, type Connection } from '@bellwire/client';
import { BellwireToasts } from '@bellwire/client/toasts.js';
import '@bellwire/client/tasks.js';

const connection: Connection = connect({ url: 'https://bellwire.example', token: async () => 'x' });
connection.addEventListener('toast', ({ detail: { toast, event } }) => {
  const level: 'info' | 'success' | 'warning' | 'error' = toast.level;
  console.log(level, toast.title.length, toastName(event));
});
connection.addEventListener('gap', ({ detail }) => console.log(detail.reason.length));
watchTask(connection, 'id', (task) => console.log(isEnd(task.state), fold(undefined, task).progress.toFixed()));
connection.api.startTask('imports', {}, { title: 'x' }).then(({ id }) => id.length).catch((error) => error instanceof ApiError && error.status);
const toasts = new BellwireToasts();
toasts.connection = connection;
`;
const WRONG = `
import { connect, watchTask } from '@bellwire/client';
connect({ url: 'https://bellwire.example' });
const connection = connect({ url: 'https://bellwire.example', token: () => 'x' });
connection.addEventListener('toasts', () => {});
watchTask(connection, 'id', (task) => task.status);
connection.api.notify('user:ada', { level: 'loud', title: 'x' });
`;

for (const [name, resolution] of [
  ['as bundlers do', ['--module', 'esnext', '--moduleResolution', 'bundler']],
  ['as Node does', ['--module', 'nodenext', '--moduleResolution', 'nodenext']],
]) {
  test(`TypeScript that resolves modules ${name} takes right use of it and refuses each wrong one`, async () => {
    assert.equal(await complaints('right.ts', RIGHT, resolution), '');
    const lines = (await complaints('wrong.ts', WRONG, resolution)).match(/^wrong\.ts\(\d+/gm);
    assert.deepEqual([...new Set(lines)], ['wrong.ts(3', 'wrong.ts(5', 'wrong.ts(6', 'wrong.ts(7']);
  });
}
