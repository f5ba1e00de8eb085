/** Clients for Python, each connection as a program of its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { until } from '../browser/browser.js';
import { Ear } from './ear.js';

/** @param {string} program its file in `programs` */
export const connectWith = (program) => async (asked) => {
  const file = fileURLToPath(new URL(`programs/${program}`, import.meta.url));
  const python = spawn(process.env.BELLWIRE_TEST_PYTHON, ['-u', file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(python, 'exit');
  const ear = new Ear();
  const calls = new Map();
  ended.then(() => calls.forEach(({ reject }) => reject(new Error(`${program} has ended; what it said is above`))));
  createInterface({ input: python.stdout }).on('line', (line) => {
    const { kind, word } = JSON.parse(line);
    if (kind !== 'answer') return ear.tell(kind, word);
    const { resolve, reject } = calls.get(word.number);
    if (word.error) reject(new Error(word.error));
    else resolve(word.result);
  });
  const say = (word) => python.stdin.write(`${JSON.stringify(word)}\n`);
  say(asked);
  const stop = async () => {
    python.stdin.end();
    const kill = setTimeout(() => python.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(kill);
  };
  try {
    await until(() => ear.times('connected'), Boolean, 20_000);
  } catch (error) {
    await stop();
    throw new Error(`${program} did not connect: ${JSON.stringify([ear.state, ear.log])}`, { cause: error });
  }
  return {
    ear,
    stop,
    invoke: (method, ...words) => new Promise((resolve, reject) => {
      const number = calls.size;
      calls.set(number, { resolve, reject });
      say({ number, method, words });
    }),
  };
};
