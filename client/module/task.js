/** The task list as a fold of what events say: they come twice and out of order. */

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
 * @property {Record<string, any>} [result]
 * @property {{ reason: string, message: string }} [error]
 * @property {string} [parent] the run of a workflow that it is a step of
 * @property {unknown} [steps] where it is a workflow's run; read it by `readSteps`
 */

/** Whether nothing more is to come. @param {Task['state']} state */
export function isEnd(state) {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/**
 * What is known of a task once this was said of it too; `known` itself where it says nothing new.
 * @param {Task | undefined} known
 * @param {Task} said
 * @returns {Task}
 */
export function fold(known, said) {
  if (!known) return said;
  const created = known.created ?? said.created;
  if (isEnd(known.state)) {
    // An end stands, save that an effect that came about beats a cancelling or giving up that came too late.
    const better = said.state === 'succeeded' && known.state !== 'succeeded';
    // A run that was taken back goes on to undo its steps.
    if (said.state === known.state && said.steps?.length && isLater(known, said)) return { ...known, steps: said.steps, sequence: said.sequence };
    return better ? { ...known, ...said, created, error: said.error } : known;
  }
  if (!isEnd(said.state) && !isLater(known, said)) return known;
  const progress = sameAttempt(known, said) ? Math.max(known.progress ?? 0, said.progress ?? 0) : said.progress;
  // What went wrong before is over once something newer is said; all the rest stands until it is said anew.
  return { ...known, ...said, created, progress, error: said.error };
}

/** @param {Task} known @param {Task} said */
function isLater(known, said) {
  const attempts = (said.attempt ?? 0) - (known.attempt ?? 0);
  return attempts > 0 || (attempts === 0 && (said.sequence ?? 0) > (known.sequence ?? -1));
}

/** @param {Task} known @param {Task} said */
function sameAttempt(known, said) {
  return (known.attempt ?? 0) === (said.attempt ?? 0);
}
