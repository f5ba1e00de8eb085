/** The steps of a workflow's run, read from an event; anything that is no step is left out. */

import { isEnd } from '../module/task.js';

/** @import { Task } from '../module/task.js' */

/** @type {readonly unknown[]} */
const STATES = ['waiting', 'running', 'asked', 'succeeded', 'failed', 'skipped', 'cancelled', 'compensated'];
const OPEN = ['waiting', 'running', 'asked'];
/** The most steps that are shown. */
const MAX_STEPS = 500;

/**
 * @typedef {object} Step
 * @property {string} id
 * @property {string} title
 * @property {string} kind
 * @property {string[]} needs the ids of steps before it, which may be unknown
 * @property {'waiting' | 'running' | 'asked' | 'succeeded' | 'failed' | 'skipped' | 'cancelled' | 'compensated'} state
 * @property {number} progress from 0 to 1
 * @property {[done: number, of: number]} [items]
 * @property {string} [note]
 * @property {unknown} [href] checked when it is shown
 */

/**
 * A task's steps; none if it is no workflow's run.
 * @param {Pick<Task, 'steps' | 'state'>} task
 * @returns {Step[]}
 */
export function readSteps({ steps, state }) {
  if (!Array.isArray(steps)) return [];
  /** @type {Map<string, Step>} */
  const read = new Map();
  for (const each of /** @type {Partial<Record<keyof Step, unknown>>[]} */ (steps.slice(0, MAX_STEPS))) {
    if (typeof each?.id !== 'string' || !each.id || read.has(each.id)) continue;
    const step = readStep(each.id, each);
    // A cancelled run may have ended before it reported each step.
    if (isEnd(state) && OPEN.includes(step.state)) step.state = 'cancelled';
    read.set(step.id, step);
  }
  return [...read.values()];
}

/** The number of steps that have ended, in whatever state. @param {Step[]} steps */
export function countDone(steps) {
  return steps.filter((step) => !OPEN.includes(step.state)).length;
}

/** @param {string} id @param {Partial<Record<keyof Step, unknown>>} step @returns {Step} */
function readStep(id, { title, kind, needs, state, progress, items, note, href }) {
  return {
    id,
    title: typeof title === 'string' && title.trim() ? title : id,
    kind: typeof kind === 'string' ? kind : '',
    needs: Array.isArray(needs) ? needs.filter((each) => typeof each === 'string') : [],
    state: STATES.includes(state) ? /** @type {Step['state']} */ (state) : 'waiting',
    progress: typeof progress === 'number' && Number.isFinite(progress) ? Math.min(1, Math.max(0, progress)) : 0,
    items: readItems(items),
    note: typeof note === 'string' && note ? note : undefined,
    href,
  };
}

/** @param {unknown} items @returns {[number, number] | undefined} */
function readItems(items) {
  if (!Array.isArray(items) || items.length !== 2 || !items.every(Number.isSafeInteger)) return undefined;
  const [done, of] = items;
  return of > 0 && done >= 0 ? [Math.min(done, of), of] : undefined;
}
