/** What the task list says in words of its own; replace them for another language. */

import { isEnd } from '../module/task.js';

const number = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

export const TASK_WORDS = {
  list: 'Tasks',
  empty: 'Nothing yet. What you start shows up here and keeps itself up to date.',
  states: { queued: 'Waiting', running: 'Running', succeeded: 'Done', failed: 'Failed', cancelled: 'Cancelled' },
  /** @param {number} done @param {number} of */
  steps: (done, of) => `${done} of ${of} ${of === 1 ? 'step' : 'steps'}`,
  stepList: 'Steps',
  stepStates: {
    waiting: 'Waiting', running: 'Running', asked: 'Waits for an answer', succeeded: 'Done', failed: 'Failed', skipped: 'Skipped',
    cancelled: 'Cancelled', compensated: 'Undone',
  },
  /** @param {string[]} titles what a step needs */
  after: (titles) => `(after ${titles.join(', ')})`,
  /** @param {number} done @param {number} of */
  items: (done, of) => `${number.format(done)} of ${number.format(of)}`,
  open: 'Open',
  cancel: 'Cancel',
  /** @param {string} title */
  cancelOf: (title) => `Cancel: ${title}`,
  download: 'Download',
  rejected: 'Rejected rows',
  /** @param {string} label @param {string} title */
  linkOf: (label, title) => `${label}: ${title}`,
  /** @param {number} count */
  older: (count) => `Show ${count} older`,
  unloaded: 'The list could not be loaded',
  again: 'Try again',
  /** @param {string} title @param {string} why */
  notCancelled: (title, why) => `“${title}” was not cancelled: ${why}`,
};

/** @param {number} count @param {string} one @param {string} many */
function counted(count, one, many) {
  return `${number.format(count)} ${count === 1 ? one : many}`;
}

/**
 * A result in a few words: "3,376 rows · 7 columns · 0.4 s".
 * @param {Record<string, any> | undefined} result
 */
export function resultWords(result) {
  if (!result || typeof result !== 'object') return '';
  const { rows, columns, seconds, table, ignored, expires } = result;
  const rejected = rejectedOf(result);
  const words = [
    typeof rows === 'number' && counted(rows, 'row', 'rows'),
    count(columns) !== null && counted(/** @type {number} */ (count(columns)), 'column', 'columns'),
    typeof table === 'string' && `in ${table}`,
    typeof seconds === 'number' && `${number.format(Math.round(seconds * 100) / 100)} s`,
    rejected.count > 0 && `${number.format(rejected.count)} rejected`,
    Array.isArray(ignored) && ignored.length > 0 && `${counted(ignored.length, 'column', 'columns')} left out`,
    Number.isFinite(Date.parse(expires)) && `kept until ${day.format(new Date(expires))}`,
  ];
  return words.filter(Boolean).join(' · ') + (rejected.first && `\n${rejected.first}`);
}

/**
 * How many rows were rejected, where they are, and why the first was.
 * @param {Record<string, any>} result
 * @returns {{ count: number, href?: string, first: string }}
 */
export function rejectedOf({ rejected }) {
  const { rows, href, first } = rejected ?? {};
  if (typeof rows !== 'number') return { count: 0, first: '' };
  const { line, reason } = first?.[0] ?? {};
  return { count: rows, href, first: typeof reason === 'string' ? `line ${line}: ${reason}` : '' };
}

/** @param {unknown} columns a number, or a list of them */
function count(columns) {
  if (typeof columns === 'number') return columns;
  return Array.isArray(columns) ? columns.length : null;
}

/**
 * "2 minutes ago", from an instant.
 * @param {string | undefined} instant
 */
export function ago(instant, now = Date.now()) {
  const seconds = Math.round((Date.parse(instant ?? '') - now) / 1000);
  if (!Number.isFinite(seconds)) return '';
  if (seconds > -5) return relative.format(0, 'second');
  if (seconds > -60) return relative.format(seconds, 'second');
  if (seconds > -3600) return relative.format(Math.trunc(seconds / 60), 'minute');
  if (seconds > -86400) return relative.format(Math.trunc(seconds / 3600), 'hour');
  return relative.format(Math.trunc(seconds / 86400), 'day');
}

/** @param {import('../module/task.js').Task} task */
export function percent({ state, progress }) {
  if (state === 'succeeded') return 100;
  return isEnd(state) || !Number.isFinite(progress) ? 0 : Math.round(Math.min(1, Math.max(0, progress)) * 100);
}
