/** Tasks, and the merging of their events, which arrive twice and out of order. */

/**
 * The fields of a result that the task list shows, as far as its function sets them.
 * @typedef {{
 *   rows?: unknown, columns?: unknown, seconds?: unknown, table?: unknown, ignored?: unknown, expires?: unknown, href?: unknown,
 *   summary?: unknown, about?: unknown, delivered?: { to?: unknown, mails?: unknown, webhooks?: unknown, undelivered?: { to?: unknown, reason?: unknown }[] },
 *   sheet?: unknown, other_sheets?: unknown, emptied?: { cells?: unknown },
 *   rejected?: { rows?: unknown, href?: unknown, first?: { line?: unknown, reason?: unknown }[] },
 *   again?: unknown, sheets?: unknown,
 *   encoding?: unknown, certainty?: unknown, notes?: unknown, first_rows?: unknown, first_rejected?: unknown
 * }} TaskResult
 */

/**
 * @typedef {object} Task
 * @property {string} id
 * @property {string} kind
 * @property {string} title
 * @property {'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'} state
 * @property {number} progress from 0 to 1
 * @property {number} [attempt]
 * @property {number} [sequence]
 * @property {string} [created]
 * @property {string} [updated]
 * @property {string} [not_before] it is not begun earlier
 * @property {'high' | 'low'} [priority] normal if missing
 * @property {TaskResult} [result]
 * @property {{ reason: string, message: string }} [error]
 * @property {string} [parent] the workflow's run that the task is a step of
 * @property {unknown[]} [steps] of a workflow's run; read by `readSteps`
 */

/** True for a final state. @param {Task['state']} state */
export function isEnd(state) {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/**
 * Merges an update into a task; returns `task` itself if the update says nothing new.
 * @param {Task | undefined} task
 * @param {Task} update
 * @returns {Task}
 */
export function fold(task, update) {
  if (!task) return update;
  const created = task.created ?? update.created;
  if (isEnd(task.state)) {
    // A final state stays, except that a success beats a cancellation or failure that came too late.
    const succeeded = update.state === 'succeeded' && task.state !== 'succeeded';
    // A cancelled run goes on to compensate its steps.
    if (update.state === task.state && update.steps?.length && isLater(task, update)) return { ...task, steps: update.steps, sequence: update.sequence };
    return succeeded ? { ...task, ...update, created, error: update.error } : task;
  }
  if (!isEnd(update.state) && !isLater(task, update)) return task;
  const progress = sameAttempt(task, update) ? Math.max(task.progress ?? 0, update.progress ?? 0) : update.progress;
  // A newer update clears the error; all other fields stay until they are sent again.
  return { ...task, ...update, created, progress, error: update.error };
}

/** @param {Task} task @param {Task} update */
function isLater(task, update) {
  const attempts = (update.attempt ?? 0) - (task.attempt ?? 0);
  return attempts > 0 || (attempts === 0 && (update.sequence ?? 0) > (task.sequence ?? -1));
}

/** @param {Task} task @param {Task} update */
function sameAttempt(task, update) {
  return (task.attempt ?? 0) === (update.attempt ?? 0);
}
