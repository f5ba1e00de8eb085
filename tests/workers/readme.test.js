/** README's workers as they stand there. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Folder, Listener, PATIENCE, environmentKey, start, uniqueUser, until, workerUrl } from './stage.js';

const README = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
let folder, rates;

before(async () => {
  folder = await Folder.make();
  // A module's imports are looked up beside its own file.
  await symlink(fileURLToPath(new URL('node_modules', import.meta.url)), join(folder.path, 'node_modules'));
  rates = createServer((_, answer) => answer.end('1 EUR is 1 EUR')).listen(0, '127.0.0.1');
  await once(rates, 'listening');
});
after(async () => {
  rates.close();
  await rm(folder.path, { recursive: true });
});

for (const [name, file, program] of [
  ['python-worker', 'worker.py', process.env.BELLWIRE_TEST_PYTHON],
  ['node-worker', 'worker.mjs', process.execPath],
]) {
  test(`the example ${name} is a whole worker in fewer than thirty lines`, async () => {
    const example = README.match(new RegExp(`<!-- example: ${name} -->\n\`\`\`\\w+\n([^]*?)\`\`\``))?.[1];
    assert.ok(example, `README.md has no example ${name}`);
    assert.ok(example.trimEnd().split('\n').length < 30);
    await writeFile(join(folder.path, file), example);
    const environment = {
      ...process.env, AMQP_URL: workerUrl('invoices'), BELLWIRE_KEY: environmentKey, DATABASE: join(folder.path, 'invoices.db'), FOLDER: folder.path,
      RATES: `http://127.0.0.1:${rates.address().port}/`,
    };
    const worker = spawn(program, [join(folder.path, file)], { env: environment, stdio: ['ignore', 'inherit', 'inherit'] });
    const ended = once(worker, 'exit');
    const ada = uniqueUser('ada');
    const ears = await Listener.start(ada);
    try {
      const task = await start(ada, 'invoices', { month: 'May' });
      assert.equal((await ears.end(task)).data.toast?.title, 'Invoices of May are written');
      const wrong = await start(ada, 'invoices', {});
      assert.equal((await ears.end(wrong)).data.toast.body, 'Which month?');
    } finally {
      await ears.stop();
      worker.kill('SIGTERM');
      assert.deepEqual((await ended)[0], 0);
    }
  });
}
