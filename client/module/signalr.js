/**
 * A SignalR connection that loses nothing, for pages that are written against `@microsoft/signalr`.
 *
 * ```js
 * import { lossless } from 'https://bellwire.example/client/signalr.js';
 *
 * const connection = lossless(new signalR.HubConnectionBuilder(), 'https://bellwire.example/hub', { accessTokenFactory });
 * connection.on('event', (event) => console.log(event.type, event.data));
 * connection.on('gap', (reason) => location.reload());
 * await connection.start();
 * ```
 *
 * It is SignalR's own `HubConnection`. What is added: it asks for cursors and comes back after the last one, to whichever
 * pod; it never gives up; `event` handlers are called once for each event; and `start()` tries until it is connected.
 */

import { nameOf } from './event-filter.js';
import { Retry } from './retry-policy.js';

/** So many events are remembered to tell one that comes twice. */
const REMEMBERED = 1000;

/**
 * What is used of SignalR's connection; any version from 3.1 on has it.
 * @typedef {object} HubConnection
 * @property {string} state
 * @property {string} baseUrl may be set while the connection is `Disconnected` or `Reconnecting`
 * @property {() => Promise<void>} start
 * @property {() => Promise<void>} stop
 * @property {(name: string, handler: Handler) => void} on
 * @property {(name: string, handler?: Handler) => void} off
 * @property {(callback: (error?: Error) => void) => void} onreconnecting
 */

/** @typedef {(...words: any[]) => any} Handler */

/**
 * @template {HubConnection} C
 * @typedef {object} Builder SignalR's `HubConnectionBuilder`
 * @property {(url: string, options: object) => Builder<C>} withUrl
 * @property {(policy: { nextRetryDelayInMilliseconds: (context: { previousRetryCount: number }) => number }) => Builder<C>} withAutomaticReconnect
 * @property {() => C} build
 */

/**
 * Builds a connection that loses nothing.
 * @template {HubConnection} C
 * @param {Builder<C>} builder may have been told its encoding, its logging and so on; not its URL or how it reconnects
 * @param {string} url of the hub
 * @param {object} [options] what `withUrl` takes: `accessTokenFactory`, `transport`, …
 * @returns {C}
 */
export function lossless(builder, url, options = {}) {
  const connection = builder.withUrl(url, options).withAutomaticReconnect(endless()).build();
  goOnAfterTheLast(connection);
  eachOnce(connection);
  startUntilConnected(connection);
  return connection;
}

/** Tries without end. The first try waits a little too: a pod that stops sends all its clients away at once. */
function endless() {
  let retry = new Retry();
  return {
    /** @param {{ previousRetryCount: number }} context */
    nextRetryDelayInMilliseconds({ previousRetryCount }) {
      if (previousRetryCount === 0) retry = new Retry();
      return retry.pause({ reason: 'network' });
    },
  };
}

/** Keeps the cursor, and the address of the next try at it. @param {HubConnection} connection */
function goOnAfterTheLast(connection) {
  const url = new URL(connection.baseUrl); // SignalR has made it absolute
  /** @param {unknown} cursor */
  const place = (cursor) => typeof cursor === 'string' && url.searchParams.set('after', cursor);
  const goOn = () => {
    connection.baseUrl = url.href;
  };
  place('now');
  goOn();
  connection.on('cursor', (cursor) => void place(cursor));
  // The position goes where the gateway says, also back: what comes again is told by its name.
  connection.on('event', (event) => void place(event.cursor));
  connection.on('gap', () => {}); // SignalR would warn of a call that nobody takes
  connection.onreconnecting(goOn);
  const start = connection.start.bind(connection);
  connection.start = () => {
    if (connection.state === 'Disconnected') goOn();
    return start();
  };
}

/** Calls the page's handlers of `event` once for each event. @param {HubConnection} connection */
function eachOnce(connection) {
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {WeakSet<object>} */
  const repeated = new WeakSet();
  /** @type {Map<Handler, Handler>} */
  const wrapped = new Map();
  const [on, off] = [connection.on.bind(connection), connection.off.bind(connection)];
  // Handlers are called in the order in which they were given, so this one judges before any of the page's.
  on('event', (event) => {
    const name = nameOf(event);
    if (seen.has(name)) repeated.add(event);
    seen.add(name);
    if (seen.size > REMEMBERED) seen.delete(/** @type {string} */ (seen.values().next().value));
  });
  /** @param {string} name */
  const isEvent = (name) => name?.toLowerCase() === 'event';
  connection.on = (name, handler) => {
    if (!isEvent(name) || !handler) return on(name, handler);
    if (!wrapped.has(handler)) wrapped.set(handler, (event) => (repeated.has(event) ? undefined : handler(event)));
    on(name, /** @type {Handler} */ (wrapped.get(handler)));
  };
  connection.off = (name, handler) => {
    if (!isEvent(name)) return off(name, handler);
    for (const each of handler ? [handler] : [...wrapped.keys()]) {
      if (wrapped.has(each)) off(name, wrapped.get(each));
      wrapped.delete(each);
    }
  };
}

/** Makes `start()` try until it is connected or `stop()` is called. @param {HubConnection} connection */
function startUntilConnected(connection) {
  const [start, stop] = [connection.start.bind(connection), connection.stop.bind(connection)];
  let stopping = new AbortController();
  connection.start = async () => {
    if (connection.state !== 'Disconnected') return start(); // says what is wrong with that
    const { signal } = (stopping = new AbortController());
    for (const retry = new Retry(); ; ) {
      try {
        return await start();
      } catch (error) {
        await sleep(retry.pause({ reason: 'network' }), signal);
        if (signal.aborted) throw error;
      }
    }
  };
  connection.stop = () => {
    stopping.abort();
    return stop();
  };
}

/** @param {number} milliseconds @param {AbortSignal} signal ends it early @returns {Promise<void>} */
function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const over = () => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) over();
    else signal.addEventListener('abort', over, { once: true });
  });
}
