/** A tab's connection to a gateway: one stream after another, while the tab is visible. */

import { Api } from './api.js';
import { CursorStore } from './cursor-store.js';
import { EventFilter } from './event-filter.js';
import { keepFresh } from './fresh-token.js';
import { RetryPolicy } from './retry-policy.js';
import { ServerClock } from './server-clock.js';
import { isCursor } from './sse.js';
import { StreamSlots } from './stream-slots.js';
import { readStream } from './stream.js';
import { TabVisibility } from './tab-visibility.js';
import { ToastDelivery } from './toast-delivery.js';
import { identityOf, TokenError, TokenSource } from './token.js';
import { Watchdog } from './watchdog.js';

/** @import { BellwireEvent, Toast } from './event.js' */
/** @import { Frame } from './sse.js' */
/** @import { Slot } from './stream-slots.js' */
/** @import { StreamEnd } from './stream.js' */
/** @import { Identity } from './token.js' */

/**
 * @typedef {object} Options
 * @property {() => Promise<string> | string} token returns a valid token; called again when one is refused
 * @property {string | URL} [url] the gateway; by default the one that served this module
 * @property {string} [environment] the only one whose events pass; by default the token's `env`
 * @property {string} [after] the cursor to resume after; by default that of this tab's last page
 * @property {number} [heartbeat] milliseconds between two heartbeats of the gateway (15,000)
 * @property {number} [hiddenAfter] milliseconds for which a hidden tab keeps its stream (60,000)
 * @property {number} [streams] the most streams over all tabs of this browser while the gateway speaks HTTP/1.1 (4)
 */

/**
 * The state of a connection. `waiting` has a reason and, in `until`, the time of the next attempt (milliseconds since 1970).
 * @typedef {{ state: 'connecting' | 'live' | 'hidden' | 'queueing' | 'waiting' | 'closed',
 *   reason?: string, detail?: string, until?: number }} State
 */

/** @typedef {StreamEnd | { reason: 'token', detail: string, retryAfter?: undefined }} AttemptEnd a token can fail too */

/**
 * The `detail` of each event.
 * @typedef {object} Details
 * @property {BellwireEvent} event the CloudEvent, once per tab
 * @property {{ toast: Toast, event: BellwireEvent }} toast once per browser, in a visible tab
 * @property {{ name: string }} dismissed a toast that was dismissed or replaced in another tab
 * @property {{ reason: string }} gap events were lost: load your lists again
 * @property {State} state
 * @property {{ why: string }} dropped an event that the filter dropped
 */

/** Fires the events that {@link Details} lists. */
export class Connection extends EventTarget {
  /** @type {State} */
  state = { state: 'connecting' };
  /** The subject of the token; null until there is one. @type {Identity | null} */
  identity = null;
  /** The position in the log. @type {string | null} */
  cursor;
  /** The API of the same gateway, with the same token. */
  api;

  #options;
  #url;
  #tokens;
  #visibility;
  #slots;
  #watchdog;
  #retry = new RetryPolicy();
  #clock = new ServerClock();
  #tokenRefreshed = false;
  /** Without one, toasts are left to other tabs. @type {Set<EventListenerOrEventListenerObject>} */
  #toastListeners = new Set();
  #closed = new AbortController();
  /** Stops the current attempt. */
  #attempt = new AbortController();
  /** Created with the first token, since they belong to one user in one environment. @type {EventFilter | null} */
  #filter = null;
  /** @type {ToastDelivery | null} */
  #toasts = null;
  /** @type {CursorStore | null} */
  #cursors = null;

  /** @param {Options} options */
  constructor(options) {
    super();
    if (typeof options?.token !== 'function') throw new TypeError('connect: `token` must be a function that gives a token');
    const { url = servedFrom(import.meta.url), after = null, heartbeat = 15_000, hiddenAfter = 60_000, streams = 4 } = options;
    const base = new URL(url, document.baseURI);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.#options = options;
    this.#url = new URL('events', base);
    this.#tokens = new TokenSource(options.token);
    this.#slots = new StreamSlots(this.#url, streams);
    this.#watchdog = new Watchdog(heartbeat);
    this.cursor = after;
    this.api = new Api(base, this.#tokens);
    this.#visibility = new TabVisibility(hiddenAfter);
    this.#visibility.addEventListener('change', () => this.#visibilityChanged());
    this.#run();
  }

  /**
   * Adds a listener. A tab without a listener for `toast` leaves toasts to other tabs.
   * @template {keyof Details} Type
   * @param {Type} type @param {((event: CustomEvent<Details[Type]>) => void) | EventListenerObject | null} listener
   * @param {AddEventListenerOptions | boolean} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
    const signal = typeof options === 'object' ? options.signal : undefined;
    if (type !== 'toast' || !listener || signal?.aborted) return;
    const added = /** @type {EventListener} */ (listener);
    this.#toastListeners.add(added);
    signal?.addEventListener('abort', () => this.#toastListeners.delete(added), { once: true });
    this.#toasts?.flush();
  }

  /**
   * Removes a listener.
   * @param {string} type @param {EventListenerOrEventListenerObject | null} listener @param {EventListenerOptions | boolean} [options]
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, listener, options);
    if (type === 'toast' && listener) this.#toastListeners.delete(listener);
  }

  /** Closes the connection for good. */
  close() {
    if (this.#closed.signal.aborted) return;
    this.#cursors?.save(this.cursor);
    this.#closed.abort();
    this.#attempt.abort();
    this.#visibility.close();
    this.#toasts?.close();
    this.#setState({ state: 'closed' });
  }

  /**
   * Dismisses a toast in the other tabs.
   * @param {string} name of the toast
   */
  dismiss(name) {
    this.#toasts?.dismiss(name);
  }

  /** The time on the gateway's clock, by which events expire, in milliseconds since 1970. */
  now() {
    return this.#clock.now();
  }

  #visibilityChanged() {
    const { active, visible } = this.#visibility;
    if (!active) this.#attempt.abort();
    if (!active || !visible) this.#cursors?.save(this.cursor);
    if (visible) this.#toasts?.flush();
  }

  async #run() {
    while (!this.#closed.signal.aborted) {
      if (!this.#visibility.active) {
        this.#setState({ state: 'hidden' });
        await this.#until('change');
        continue;
      }
      this.#attempt = new AbortController();
      const end = await this.#connect(this.#attempt.signal);
      if (end.reason !== 'stopped') await this.#waitToRetry(end);
    }
  }

  /** One attempt, from the token to the end of its stream. @param {AbortSignal} signal @returns {Promise<AttemptEnd>} */
  async #connect(signal) {
    /** @type {Slot | undefined} */
    let slot;
    try {
      const token = await this.#tokens.get();
      this.#identify(token);
      slot = await this.#takeSlot(signal);
      return await this.#readStream(token, signal);
    } catch (error) {
      if (signal.aborted) return { reason: 'stopped' };
      return { reason: 'token', detail: error instanceof Error ? error.message : String(error) };
    } finally {
      slot?.release();
    }
  }

  /** @param {AbortSignal} signal */
  async #takeSlot(signal) {
    const queueing = setTimeout(() => this.#setState({ state: 'queueing' }), 250); // mostly a slot is free at once
    try {
      return await this.#slots.take(signal, () => this.#attempt.abort(), () => this.#visibility.visible);
    } finally {
      clearTimeout(queueing);
    }
  }

  /** @param {string} token @param {AbortSignal} signal @returns {Promise<StreamEnd>} */
  async #readStream(token, signal) {
    this.#setState({ state: 'connecting' });
    let start = 0;
    this.#clock.ask();
    const end = await readStream({
      url: this.#url,
      token,
      cursor: this.cursor,
      signal,
      watchdog: this.#watchdog,
      onHead: (headers, ended) => {
        this.#clock.answer(headers.get('date'));
        this.#keepFresh(token, headers.get('bellwire-stream'), ended);
      },
      onFrame: (frame) => {
        start ||= performance.now();
        this.#setLive();
        this.#handleFrame(frame);
      },
    });
    if (end.reason === 'unauthorised') await this.#tokens.invalidate(token);
    return { ...end, duration: start ? performance.now() - start : 0 };
  }

  /** @param {string} token @param {string | null} name of the stream; older gateways give it none @param {AbortSignal} signal */
  #keepFresh(token, name, signal) {
    if (!name) return;
    const next = async (/** @type {string} */ old) => {
      await this.#tokens.invalidate(old);
      const fresh = await this.#tokens.get();
      this.#identify(fresh);
      return fresh;
    };
    keepFresh({ events: this.#url, name, token, next, now: () => this.now(), signal });
  }

  #setLive() {
    this.#tokenRefreshed = false;
    if (this.state.state !== 'live') this.#setState({ state: 'live' });
  }

  /** @param {Frame} frame */
  #handleFrame(frame) {
    if (frame.id !== null) this.cursor = frame.id || null;
    if (frame.data === null || isCursor(frame)) this.#cursors?.save(this.cursor);
    else if (frame.event === 'gap') this.#emit('gap', parseGap(frame.data));
    else this.#handleEvent(frame.data);
  }

  /** @param {string} data */
  #handleEvent(data) {
    const result = /** @type {EventFilter} */ (this.#filter).check(data);
    if ('dropped' in result) {
      if (result.dropped === 'environment') console.warn('bellwire: an event of another environment was dropped');
      this.#emit('dropped', { why: result.dropped });
      return;
    }
    this.#emit('event', result.event);
    this.#toasts?.add(result.event);
  }

  /** Takes the identity from the first token; every later one must have the same. @param {string} token */
  #identify(token) {
    const claims = identityOf(token);
    const environment = this.#options.environment ?? claims.environment;
    if (!environment) throw new TokenError('the token names no environment');
    if (claims.environment && claims.environment !== environment) {
      throw new TokenError(`the token is for the environment ${claims.environment}, not ${environment}`);
    }
    const identity = { environment, user: claims.user ?? '' };
    if (this.identity && this.identity.user !== identity.user) {
      throw new TokenError('the fresh token is somebody else’s; open a connection of their own');
    }
    if (this.identity) return;
    this.identity = identity;
    this.#filter = new EventFilter(environment, () => this.now());
    this.#cursors = new CursorStore(this.#url, identity);
    this.cursor ??= this.#cursors.load();
    this.#toasts = new ToastDelivery(identity, {
      now: () => this.now(),
      isVisible: () => this.#visibility.visible && this.#toastListeners.size > 0,
      show: (toast, event) => this.#emit('toast', { toast, event }),
      onDismissed: (name) => this.#emit('dismissed', { name }),
    });
  }

  /** @param {AttemptEnd} end */
  async #waitToRetry(end) {
    // The token may just have expired: try another at once, but only once.
    if (end.reason === 'unauthorised' && !this.#tokenRefreshed) {
      this.#tokenRefreshed = true;
      return;
    }
    const delay = this.#retry.nextDelay(end);
    this.#setState({ state: 'waiting', reason: end.reason, detail: end.detail, until: Date.now() + delay });
    const waiting = new AbortController();
    const inactive = this.#until('change', waiting.signal, () => !this.#visibility.active);
    // A Retry-After is kept; our own delay is cut short when the network or the person is back.
    const wake = end.retryAfter === undefined ? this.#until('wake', waiting.signal) : new Promise(() => {});
    const elapsed = new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      waiting.signal.addEventListener('abort', () => clearTimeout(timer));
    });
    await Promise.race([elapsed, inactive, wake]);
    waiting.abort();
  }

  /**
   * Waits for an event of the tab's visibility, or for the connection to close.
   * @param {string} type @param {AbortSignal} [signal] stops listening @param {() => boolean} [when]
   * @returns {Promise<void>}
   */
  #until(type, signal, when = () => true) {
    const fired = new AbortController();
    const stop = AbortSignal.any([fired.signal, this.#closed.signal, ...(signal ? [signal] : [])]);
    return new Promise((resolve) => {
      this.#visibility.addEventListener(type, () => when() && fired.abort(), { signal: stop });
      if (stop.aborted) resolve();
      else stop.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** @param {State} state */
  #setState(state) {
    if (this.state.state === 'closed') return;
    this.state = state;
    this.#emit('state', state);
  }

  /** @template {keyof Details} Type @param {Type} type @param {Details[Type]} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * The gateway that served this module. Installed from npm or bundled it comes from elsewhere, and its place says nothing.
 * @param {string | undefined} module
 */
function servedFrom(module) {
  if (module?.endsWith('/client/module/connection.js') && !module.includes('/node_modules/')) return new URL('../../', module);
  throw new TypeError('connect: `url` must name the gateway, since this module was not served by one');
}

/** @param {string} data */
function parseGap(data) {
  try {
    return { reason: String(JSON.parse(data).reason) };
  } catch {
    return { reason: 'unknown' };
  }
}
