/** What a run that waits for people says: for whom, and until when. */

import { pointInTime } from '../element/time.js';

/** @import { TASK_LABELS } from './labels.js' */
/** @import { Step } from './steps.js' */

/**
 * "Waits for the group finance until 5 Dec 2026, 10:00".
 * @param {NonNullable<Step['asks']>} asks @param {typeof TASK_LABELS} labels
 */
export function waitingText({ audience, until, needed, approvedBy }, labels) {
  const people = audience.split(' ').map((term) => {
    const [kind, name] = [term.slice(0, term.indexOf(':')), term.slice(term.indexOf(':') + 1)];
    return kind === 'user' ? name : kind === 'group' ? labels.group(name) : labels.everybody;
  });
  const waits = labels.waits(people, pointInTime(until));
  return needed > 1 ? `${waits}\n${labels.approvals(approvedBy, needed)}` : waits;
}

/** What all steps of a run wait for, one a line. @param {Step[]} steps @param {typeof TASK_LABELS} labels */
export function waitingFor(steps, labels) {
  return steps.flatMap(({ asks }) => (asks ? waitingText(asks, labels) : [])).join('\n');
}
