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
 * @property {boolean} rejected by somebody who was asked; then its state is `failed`
 * @property {{ audience: string, until: string, needed: number, approvedBy: string[] }} [asks] whom it asks, and until when
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

/** How many steps are done, and how many were skipped. @param {Step[]} steps */
export function countSteps(steps) {
  const count = (/** @type {Step['state'][]} */ ...states) => steps.filter(({ state }) => states.includes(state)).length;
  return { done: count('succeeded'), skipped: count('skipped'), of: steps.length };
}

/** @param {string} id @param {Partial<Record<keyof Step, unknown>>} step @returns {Step} */
function readStep(id, { title, kind, needs, state, progress, items, note, href, rejected, asks }) {
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
    rejected: rejected === true && state === 'failed',
    asks: state === 'asked' ? readAsks(asks) : undefined,
  };
}

/** @param {any} asks @returns {Step['asks']} */
function readAsks(asks) {
  const { audience, until, needed, approved_by: approvedBy } = asks ?? {};
  if (typeof audience !== 'string' || typeof until !== 'string') return undefined;
  const names = Array.isArray(approvedBy) ? approvedBy.filter((each) => typeof each === 'string') : [];
  return { audience, until, needed: Number.isSafeInteger(needed) && needed > 0 ? needed : 1, approvedBy: names };
}

/** @param {unknown} items @returns {[number, number] | undefined} */
function readItems(items) {
  if (!Array.isArray(items) || items.length !== 2 || !items.every(Number.isSafeInteger)) return undefined;
  const [done, of] = items;
  return of > 0 && done >= 0 ? [Math.min(done, of), of] : undefined;
}
