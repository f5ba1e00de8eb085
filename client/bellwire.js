/**
 * Bellwire in the browser: what a worker has to say, on whatever page the person is.
 *
 * ```js
 * import { connect } from '/client/bellwire.js';
 * import '/client/toasts.js';
 *
 * const connection = connect({ token: () => fetch('/my/token').then((answer) => answer.text()) });
 * connection.addEventListener('event', ({ detail: event }) => console.log(event.type, event.data));
 * document.querySelector('bellwire-toasts').connection = connection;
 * ```
 *
 * Elements that take a `connection` as that one does: `toasts.js` (`<bellwire-toasts>`), `tasks.js` (one's tasks, a workflow's
 * run as a graph), `start.js` (forms of what can be started) and `approvals.js` (questions that wait for one's answer).
 *
 * No build step, no dependency. In order of flow:
 * token → slots → stream (sse, watchdog) → inbox → showing (claim), with `retry` and `attention` saying when.
 */

import { Connection } from './module/connection.js';

export { ApiError } from './module/api.js';
export { Connection } from './module/connection.js';
export { fold, isEnd } from './module/task.js';
export { TokenError } from './module/token.js';

/**
 * Opens a connection that heals itself until it is closed.
 * @param {import('./module/connection.js').Options} options
 */
export function connect(options) {
  return new Connection(options);
}
