/** Results and progress of tasks as texts. */

import { isEnd } from '../module/task.js';

/** @import { Task, TaskResult } from '../module/task.js' */

const number = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

/** @param {number} count @param {string} one @param {string} many */
function counted(count, one, many) {
  return `${number.format(count)} ${count === 1 ? one : many}`;
}

/**
 * A result in short, such as "3,376 rows · 7 columns · 0.4 s".
 * @param {TaskResult | undefined} result
 */
export function resultSummary(result) {
  if (!result || typeof result !== 'object') return '';
  const { rows, columns, seconds, summary, table, ignored, expires } = result;
  const rejected = rejectedRows(result);
  const columnCount = countOf(columns);
  const parts = [
    typeof rows === 'number' && counted(rows, 'row', 'rows'),
    columnCount !== null && counted(columnCount, 'column', 'columns'),
    typeof table === 'string' && `in ${table}`,
    typeof summary === 'string' && summary,
    typeof seconds === 'number' && `${number.format(Math.round(seconds * 100) / 100)} s`,
    rejected.count > 0 && `${number.format(rejected.count)} rejected`,
    Array.isArray(ignored) && ignored.length > 0 && `${counted(ignored.length, 'column', 'columns')} left out`,
    typeof expires === 'string' && Number.isFinite(Date.parse(expires)) && `kept until ${day.format(new Date(expires))}`,
  ];
  return parts.filter(Boolean).join(' · ') + (rejected.first && `\n${rejected.first}`);
}

/**
 * The number of rejected rows, the link to them, and the reason of the first.
 * @param {TaskResult} result
 * @returns {{ count: number, href?: unknown, first: string }}
 */
export function rejectedRows({ rejected }) {
  const { rows, href, first } = rejected ?? {};
  if (typeof rows !== 'number') return { count: 0, first: '' };
  const { line, reason } = first?.[0] ?? {};
  return { count: rows, href, first: typeof reason === 'string' ? `line ${line}: ${reason}` : '' };
}

/** @param {unknown} columns a number, or a list of them */
function countOf(columns) {
  if (typeof columns === 'number') return columns;
  return Array.isArray(columns) ? columns.length : null;
}

/** A task's progress in percent. @param {Task} task */
export function percent({ state, progress }) {
  if (state === 'succeeded') return 100;
  return isEnd(state) || !Number.isFinite(progress) ? 0 : Math.round(Math.min(1, Math.max(0, progress)) * 100);
}
