/** One run of a function: with a deadline, and stopped from outside. */

import { Cancelled, Permanent, Retry, words } from './errors.js';
import { shape } from './json-text.js';
import { Happening, anyOf } from './waiting.js';

/** @typedef {import('./task.js').Task} Task */
/** @typedef {import('./task.js').Result} Result */
/** @typedef {(task: Task, input: any) => unknown} Run */
/** @typedef {(input: any) => unknown} Check */
/** A function of one kind. @typedef {{ kind: string, run: Run, check?: Check, deadline: number }} KindFunction */
/** @typedef {{ result: Result } | { error: unknown } | { stopped: 'cancelled' | 'deadline' | 'shutdown' | 'lost' }} Outcome */

/** The time that a function gets to stop without an effect, and the same when the process is about to end. */
const STOP_TIMEOUT = 60_000;
export const SHUTDOWN_TIMEOUT = 3_000;
const MOST_INPUT_MEMORY = 64 << 20;

/**
 * Runs a function once; returns when it has ended, or has not stopped in time and is abandoned.
 * @param {KindFunction} functionOfKind @param {Task} task @param {() => Promise<{ text: string, value: any }>} readInput
 * @param {{ cancelled: Happening, graceOver: Happening, abandoned: () => void }} signals what stops it, and what is called if that does not
 * @returns {Promise<Outcome>}
 */
export async function attempt(functionOfKind, task, readInput, { cancelled, graceOver, abandoned }) {
  /** @type {Outcome | undefined} */
  let ended;
  const over = new Happening();
  run(functionOfKind, task, readInput).then((result) => (ended = { result }), (error) => (ended = { error })).then(over.happen);
  await anyOf([over, cancelled, graceOver], functionOfKind.deadline);
  if (ended) return ended;
  const stopped = cancelled.happened ? 'cancelled' : graceOver.happened ? 'shutdown' : 'deadline';
  task.stop();
  if (stopped !== 'shutdown') await anyOf([over, graceOver], STOP_TIMEOUT);
  if (graceOver.happened) await over.wait(SHUTDOWN_TIMEOUT);
  const outcome = /** @type {Outcome | undefined} */ (ended);
  if (!outcome) abandoned();
  // It had its effect before it saw the signal, or its input never was right: that counts.
  const counts = outcome && ('result' in outcome || ('error' in outcome && outcome.error instanceof Permanent));
  return counts ? outcome : { stopped };
}

/**
 * The input of a job, from the job itself or from a file of its owner.
 * @param {import('./job.js').Job} job @param {string} environment @param {import('./storage.js').Storage} [storage]
 */
export async function inputOf(job, environment, storage) {
  const { storedInput: key } = job;
  if (key === undefined) return { text: job.inputText, value: job.input };
  if (!storage) throw new Retry('This worker has no storage, in which its input lies.');
  let text;
  try {
    text = await storage.readInput(environment, job.owner, key);
  } catch (error) {
    if (error instanceof Permanent) throw error;
    throw new Retry('Its stored input cannot be read now.', { cause: error });
  }
  const { memory } = shape(text);
  if (memory > MOST_INPUT_MEMORY) throw new Permanent(`its stored input ${key} has too many values: they would take ${memory >> 20} MiB of memory`);
  try {
    return { text, value: JSON.parse(text) };
  } catch (error) {
    throw new Permanent(`its stored input ${key} is no JSON: ${words(error)}`);
  }
}

/**
 * @param {KindFunction} functionOfKind @param {Task} task @param {() => Promise<{ text: string, value: any }>} readInput
 * @returns {Promise<Result>}
 */
async function run({ check, run }, task, readInput) {
  const { text, value } = await readInput();
  task.inputText = text;
  try {
    await check?.(value);
  } catch (error) {
    if (error instanceof Permanent || error instanceof Retry || error instanceof Cancelled) throw error;
    throw new Permanent(`input: ${words(error)}`, { cause: error });
  }
  return resultOf(await run(task, value));
}

/** What a function answers: a result and a toast, or else the result itself. @param {any} answer @returns {Result} */
function resultOf(answer) {
  const isResult = answer !== null && typeof answer === 'object' && !Array.isArray(answer);
  return isResult && Object.keys(answer).every((name) => name === 'output' || name === 'toast') ? answer : { output: answer };
}
