/** One task from its start to its end, for pages that draw it themselves. */

import { ListLoader } from './list-loader.js';
import { fold } from './task.js';

/** @import { Connection } from './connection.js' */
/** @import { Task } from './task.js' */

/**
 * Calls back with a task as it is now, and again whenever it has changed, also if it ends before anybody listens.
 * @param {Connection} connection @param {string} id
 * @param {(task: Task) => void} onChange
 * @param {{ signal?: AbortSignal, onError?: (error: unknown) => void }} [options]
 *   `signal` ends it; `onError` is told of a task that cannot be read, which is tried again when the connection is live next
 */
export function watchTask(connection, id, onChange, { signal, onError = () => {} } = {}) {
  if (signal?.aborted) return;
  /** @type {Task | undefined} */
  let task;
  const take = (/** @type {Task} */ update) => {
    const next = fold(task, update);
    if (next === task) return;
    task = next;
    onChange(task);
  };
  const loader = new ListLoader(async (from, loading) => {
    const { cursor, ...read } = await from.api.readTask(id);
    if (!loading.aborted) take(read);
    return cursor;
  }, onError);
  const ended = loader.setConnection(connection);
  signal?.addEventListener('abort', () => loader.setConnection(null), { once: true });
  connection.addEventListener('event', ({ detail: { type, data } }) => {
    if (type.startsWith('bellwire.task.') && data?.task?.id === id) take(data.task);
  }, { signal: ended });
}
