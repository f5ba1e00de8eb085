/**
 * Bellwire in the browser: events of background work on any page.
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
 * Elements that take a `connection` in the same way: `toasts.js` (`<bellwire-toasts>`), `tasks.js` (the user's tasks, a
 * workflow's run as a graph), `start.js` (forms of what can be started) and `approvals.js` (open approvals).
 *
 * No build step, no dependency. `module/` in order of flow: token → stream-slots → stream (sse, watchdog) → event-filter →
 * toast-delivery (toast-claims); retry-policy and tab-visibility decide when to connect.
 */

import { Connection } from './module/connection.js';

/** @import { Options } from './module/connection.js' */

export { ApiError } from './module/api.js';
export { Connection } from './module/connection.js';
export { fold, isEnd } from './module/task.js';
export { watchTask } from './module/task-watch.js';
export { toastName } from './module/toast-name.js';
export { TokenError } from './module/token.js';

/**
 * Opens a connection that reconnects by itself until it is closed.
 * @param {Options} options
 */
export function connect(options) {
  return new Connection(options);
}
