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
 * @returns {string}
 */
export function resultSummary(result) {
  if (!result || typeof result !== 'object') return '';
  const { rows, columns, seconds, summary, table, ignored, expires, sheet, other_sheets, emptied } = result;
  const rejected = rejectedRows(result);
  const columnCount = countOf(columns);
  if (Array.isArray(result.first_rows)) return previewSummary(result);
  if (Array.isArray(result.sheets)) return sheetsSummary(result.sheets, result);
  const parts = [
    typeof rows === 'number' && counted(rows, 'row', 'rows'),
    columnCount !== null && counted(columnCount, 'column', 'columns'),
    typeof table === 'string' && `in ${table}`,
    typeof summary === 'string' && summary,
    typeof seconds === 'number' && `${number.format(Math.round(seconds * 100) / 100)} s`,
    typeof sheet === 'string' && Array.isArray(other_sheets) && other_sheets.length > 0 && `sheet ${sheet} of ${other_sheets.length + 1}`,
    rejected.count > 0 && `${number.format(rejected.count)} rejected`,
    typeof emptied?.cells === 'number' && `${counted(emptied.cells, 'cell', 'cells')} without a value`,
    Array.isArray(ignored) && ignored.length > 0 && `${counted(ignored.length, 'column', 'columns')} left out`,
    encodingText(result),
    typeof expires === 'string' && Number.isFinite(Date.parse(expires)) && `kept until ${day.format(new Date(expires))}`,
  ];
  return [parts.filter(Boolean).join(' · '), ...deliveryLines(result), rejected.first, ...noteLines(result)].filter(Boolean).join('\n');
}

/** Who has a report besides its owner, and who has not. @param {TaskResult} result @returns {string[]} */
function deliveryLines({ delivered }) {
  if (!delivered || typeof delivered !== 'object') return [];
  const { to, mails, webhooks, undelivered } = delivered;
  const has = [
    typeof to === 'string' && to,
    typeof mails === 'number' && mails > 0 && counted(mails, 'address', 'addresses'),
    typeof webhooks === 'number' && webhooks > 0 && counted(webhooks, 'webhook', 'webhooks'),
  ].filter(Boolean);
  const lost = Array.isArray(undelivered) ? undelivered.slice(0, 5).map(({ to: name, reason }) => `Not sent to ${name}: ${reason}`) : [];
  return [has.length > 0 ? `Sent to ${has.join(', ')}` : '', ...lost];
}

/**
 * Of several sheets of a workbook: each table, a few lines at most.
 * @param {unknown[]} sheets @param {TaskResult} result
 */
function sheetsSummary(sheets, result) {
  const tables = /** @type {TaskResult[]} */ (sheets.filter((sheet) => sheet && typeof sheet === 'object'));
  const lines = tables.slice(0, 10).map((sheet) => `${sheet.table}: ${resultSummary({ ...sheet, table: undefined, seconds: undefined })}`);
  const more = tables.length > 10 && `and ${counted(tables.length - 10, 'more table', 'more tables')}`;
  return [...lines, more, ...noteLines(result)].filter(Boolean).join('\n');
}

/** The encoding, where it is a guess. @param {TaskResult} result */
function encodingText({ encoding, certainty }) {
  return certainty === 'guess' && typeof encoding === 'string' && `read as ${encoding}, a guess`;
}

/** What was found out of a file, in a few lines. @param {TaskResult} result @returns {string[]} */
function noteLines({ notes }) {
  return Array.isArray(notes) ? notes.filter((note) => typeof note === 'string').slice(0, 5) : [];
}

/** How a file would be read: names, types and the first rows. @param {TaskResult} result */
function previewSummary(result) {
  const columns = /** @type {{ name?: unknown, type?: unknown }[]} */ (Array.isArray(result.columns) ? result.columns : []);
  const rows = /** @type {unknown[][]} */ (result.first_rows).filter(Array.isArray).slice(0, 3);
  const rejected = /** @type {{ line?: unknown, reason?: unknown }[]} */ (Array.isArray(result.first_rejected) ? result.first_rejected : []);
  return [
    ['Nothing is imported yet', encodingText(result)].filter(Boolean).join(' · '),
    columns.map(({ name, type }) => `${name} ${type}`).join(' | '),
    ...rows.map((row) => row.map((value) => value ?? '').join(' | ')),
    ...rejected.slice(0, 2).map(({ line, reason }) => `line ${line}: ${reason}`),
    ...noteLines(result),
  ].join('\n');
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

/**
 * The input that imports the rows which fit of a file that was refused for the others. Of imports alone: whoever may
 * publish a task's end must not choose what a person starts by one click.
 * @param {Task} task
 */
export function importAgain({ kind, state, error, result }) {
  const { again } = result ?? {};
  const isOffered = kind === 'imports' && state === 'failed' && error?.reason === 'rejected';
  return isOffered && again && typeof again === 'object' && !Array.isArray(again) ? again : null;
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
