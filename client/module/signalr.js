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
 * It is SignalR's own `HubConnection`, and also: it asks for cursors and resumes after the last one, on any pod; it never
 * stops reconnecting; it calls `event` handlers once for each event; and `start()` retries until it is connected.
 */

import { eventKey } from './event.js';
import { RetryPolicy } from './retry-policy.js';

/** The most events that are remembered to drop repeated ones. */
const MAX_SEEN = 1000;

/**
 * The part of SignalR's connection that is used here; any version from 3.1 on has it.
 * @typedef {object} HubConnection
 * @property {string} state
 * @property {string} baseUrl may be set while the connection is `Disconnected` or `Reconnecting`
 * @property {() => Promise<void>} start
 * @property {() => Promise<void>} stop
 * @property {(name: string, handler: Handler) => void} on
 * @property {(name: string, handler?: Handler) => void} off
 * @property {(callback: (error?: Error) => void) => void} onreconnecting
 */

/** @typedef {(...args: any[]) => any} Handler as SignalR declares it */

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
 * @param {Builder<C>} builder may have its encoding, logging and so on set, but not its URL or reconnect policy
 * @param {string} url of the hub
 * @param {object} [options] those of `withUrl`: `accessTokenFactory`, `transport`, …
 * @returns {C}
 */
export function lossless(builder, url, options = {}) {
  const connection = builder.withUrl(url, options).withAutomaticReconnect(endlessReconnect()).build();
  resumeAfterLast(connection);
  dropRepeated(connection);
  retryStart(connection);
  return connection;
}

/** A policy that never gives up. The first attempt waits too: a pod that stops closes all its connections at once. */
function endlessReconnect() {
  let retry = new RetryPolicy();
  return {
    /** @param {{ previousRetryCount: number }} context */
    nextRetryDelayInMilliseconds({ previousRetryCount }) {
      if (previousRetryCount === 0) retry = new RetryPolicy();
      return retry.nextDelay({ reason: 'network' });
    },
  };
}

/** Puts the last cursor into the URL of the next attempt. @param {HubConnection} connection */
function resumeAfterLast(connection) {
  const url = new URL(connection.baseUrl); // SignalR has made it absolute
  /** @param {unknown} cursor */
  const setCursor = (cursor) => typeof cursor === 'string' && url.searchParams.set('after', cursor);
  const applyUrl = () => {
    connection.baseUrl = url.href;
  };
  setCursor('now');
  applyUrl();
  connection.on('cursor', (cursor) => void setCursor(cursor));
  // The position follows the gateway, also backwards: repeated events are dropped by their key.
  connection.on('event', (event) => void setCursor(event.cursor));
  connection.on('gap', () => {}); // SignalR would warn of a call without a handler
  connection.onreconnecting(applyUrl);
  const start = connection.start.bind(connection);
  connection.start = () => {
    if (connection.state === 'Disconnected') applyUrl();
    return start();
  };
}

/** Calls `event` handlers once for each event. @param {HubConnection} connection */
function dropRepeated(connection) {
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {WeakSet<object>} */
  const repeated = new WeakSet();
  /** @type {Map<Handler, Handler>} */
  const wrapped = new Map();
  const [on, off] = [connection.on.bind(connection), connection.off.bind(connection)];
  // Handlers are called in the order of registration, so this one runs before any of the page's.
  on('event', (event) => {
    const key = eventKey(event);
    if (seen.has(key)) repeated.add(event);
    seen.add(key);
    if (seen.size > MAX_SEEN) seen.delete(/** @type {string} */ (seen.values().next().value));
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

/** Makes `start()` retry until it is connected or `stop()` is called. @param {HubConnection} connection */
function retryStart(connection) {
  const [start, stop] = [connection.start.bind(connection), connection.stop.bind(connection)];
  let stopping = new AbortController();
  connection.start = async () => {
    if (connection.state !== 'Disconnected') return start(); // fails with SignalR's own message
    const { signal } = (stopping = new AbortController());
    for (const retry = new RetryPolicy(); ; ) {
      try {
        return await start();
      } catch (error) {
        await sleep(retry.nextDelay({ reason: 'network' }), signal);
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
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
