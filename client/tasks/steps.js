/** The steps of a workflow's run as an event tells them; what is no step is left out. */

const STATES = ['waiting', 'running', 'asked', 'succeeded', 'failed', 'skipped', 'cancelled', 'compensated'];
const OPEN = ['waiting', 'running', 'asked'];
/** More than so many are not shown. */
const MOST = 500;

/**
 * @typedef {object} Step
 * @property {string} id
 * @property {string} title
 * @property {string} kind
 * @property {string[]} needs the steps before it; they may name what is not there
 * @property {'waiting' | 'running' | 'asked' | 'succeeded' | 'failed' | 'skipped' | 'cancelled' | 'compensated'} state
 * @property {number} progress from 0 to 1
 * @property {[done: number, of: number]} [items]
 * @property {string} [note]
 * @property {unknown} [href] checked where it is shown
 */

/**
 * A task's steps; none where it is no workflow's run.
 * @param {Pick<import('../module/task.js').Task, 'steps' | 'state'>} task
 * @returns {Step[]}
 */
export function readSteps({ steps, state }) {
  if (!Array.isArray(steps)) return [];
  const ended = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  /** @type {Map<string, Step>} */
  const read = new Map();
  for (const each of steps.slice(0, MOST)) {
    if (typeof each?.id !== 'string' || !each.id || read.has(each.id)) continue;
    const step = readStep(each);
    // A run that was taken back may not have had the time to say so of each step.
    if (ended && OPEN.includes(step.state)) step.state = 'cancelled';
    read.set(step.id, step);
  }
  return [...read.values()];
}

/** How many are through, one way or the other. @param {Step[]} steps */
export function doneOf(steps) {
  return steps.filter((step) => !OPEN.includes(step.state)).length;
}

/** @param {any} step @returns {Step} */
function readStep({ id, title, kind, needs, state, progress, items, note, href }) {
  return {
    id,
    title: typeof title === 'string' && title.trim() ? title : id,
    kind: typeof kind === 'string' ? kind : '',
    needs: Array.isArray(needs) ? needs.filter((each) => typeof each === 'string') : [],
    state: STATES.includes(state) ? state : 'waiting',
    progress: Number.isFinite(progress) ? Math.min(1, Math.max(0, progress)) : 0,
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
