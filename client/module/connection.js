/** A tab's connection: one stream after another, for as long as somebody looks. */

import { Api } from './api.js';
import { Attention } from './tab-visibility.js';
import { Inbox } from './event-filter.js';
import { Remembered } from './cursor-store.js';
import { Retry } from './retry-policy.js';
import { Showing } from './toast-delivery.js';
import { Slots } from './stream-slots.js';
import { readStream } from './stream.js';
import { identityOf, TokenError, TokenSource } from './token.js';
import { Watchdog } from './watchdog.js';

/**
 * @typedef {object} Options
 * @property {() => Promise<string> | string} token gives a token that is good now; asked again when one is refused
 * @property {string | URL} [url] the gateway; where this module came from, if not given
 * @property {string} [environment] the only one whose events are let in; the token's `env`, if not given
 * @property {string} [after] the cursor to go on from; where this tab was on its last page, if not given
 * @property {number} [heartbeat] milliseconds between two heartbeats of the gateway (15,000)
 * @property {number} [hiddenAfter] milliseconds that a hidden tab keeps its stream (60,000)
 * @property {number} [streams] most streams over all tabs of this browser while the gateway speaks HTTP/1.1 (4)
 */

/**
 * How the connection is. `waiting` says why and, in `until`, when it tries again (milliseconds since 1970).
 * @typedef {{ state: 'connecting' | 'live' | 'hidden' | 'queueing' | 'waiting' | 'closed',
 *   reason?: string, detail?: string, until?: number }} State
 */

/** @typedef {import('./stream.js').Ending | { reason: 'token', detail: string, lived?: number, retryAfter?: undefined }} Ending */

/**
 * Fires, each with a `detail`:
 * - `event` the CloudEvent, once per tab
 * - `toast` `{ toast, event }`, once per browser and only where somebody can see it
 * - `dismissed` `{ name }`, a toast that was dismissed or replaced in another tab
 * - `gap` `{ reason }`, something was missed for good: load your lists again
 * - `state` the {@link State}
 * - `dropped` `{ why }`, an event that was not let in
 */
export class Connection extends EventTarget {
  /** @type {State} */
  state = { state: 'connecting' };
  /** Whose it is; null until there was a token. @type {import('./token.js').Identity | null} */
  identity = null;
  /** The place in the log. @type {string | null} */
  cursor;
  /** The API of the same gateway, with the same token. */
  api;

  #options;
  #url;
  #tokens;
  #attention;
  #slots;
  #watchdog;
  #retry = new Retry();
  #refreshed = false;
  #showsToasts = false;
  #closed = new AbortController();
  /** Stops the attempt under way. */
  #attempt = new AbortController();
  /** Made with the first token, as they belong to one person in one environment. @type {Inbox | null} */
  #inbox = null;
  /** @type {Showing | null} */
  #showing = null;
  /** @type {Remembered | null} */
  #remembered = null;

  /** @param {Options} options */
  constructor(options) {
    super();
    if (typeof options?.token !== 'function') throw new TypeError('connect: `token` must be a function that gives a token');
    const { url = new URL('../../', import.meta.url), after = null, heartbeat = 15_000, hiddenAfter = 60_000, streams = 4 } = options;
    const base = new URL(url, document.baseURI);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.#options = options;
    this.#url = new URL('events', base);
    this.#tokens = new TokenSource(options.token);
    this.#slots = new Slots(this.#url, streams);
    this.#watchdog = new Watchdog(heartbeat);
    this.cursor = after;
    this.api = new Api(base, this.#tokens);
    this.#attention = new Attention(hiddenAfter);
    this.#attention.addEventListener('change', () => this.#attentionChanged());
    this.#run();
  }

  /**
   * As usual; but a tab where nobody listens for toasts leaves them to the other tabs.
   * @param {string} type @param {EventListenerOrEventListenerObject | null} listener @param {AddEventListenerOptions | boolean} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    if (type !== 'toast') return;
    this.#showsToasts = true;
    this.#showing?.flush();
  }

  /** Ends it for good. */
  close() {
    if (this.#closed.signal.aborted) return;
    this.#remembered?.save(this.cursor);
    this.#closed.abort();
    this.#attempt.abort();
    this.#attention.close();
    this.#showing?.close();
    this.#say({ state: 'closed' });
  }

  /**
   * Tells the other tabs that a toast is done with.
   * @param {string} name what the toast is known by
   */
  dismiss(name) {
    this.#showing?.dismiss(name);
  }

  #attentionChanged() {
    if (!this.#attention.wanted) this.#attempt.abort();
    if (!this.#attention.visible || !this.#attention.wanted) this.#remembered?.save(this.cursor);
    if (this.#attention.visible) this.#showing?.flush();
  }

  async #run() {
    while (!this.#closed.signal.aborted) {
      if (!this.#attention.wanted) {
        this.#say({ state: 'hidden' });
        await this.#until('change');
        continue;
      }
      this.#attempt = new AbortController();
      const ending = await this.#try(this.#attempt.signal);
      if (ending.reason !== 'stopped') await this.#wait(ending);
    }
  }

  /** One stream, from the token to its end. @param {AbortSignal} signal @returns {Promise<Ending>} */
  async #try(signal) {
    /** @type {import('./stream-slots.js').Slot | undefined} */
    let slot;
    try {
      const token = await this.#tokens.get();
      this.#identify(token);
      slot = await this.#takeSlot(signal);
      return await this.#stream(token, signal);
    } catch (error) {
      if (signal.aborted) return { reason: 'stopped' };
      return { reason: 'token', detail: error instanceof Error ? error.message : String(error) };
    } finally {
      slot?.release();
    }
  }

  /** @param {AbortSignal} signal */
  async #takeSlot(signal) {
    const queueing = setTimeout(() => this.#say({ state: 'queueing' }), 250); // mostly it is free at once
    try {
      return await this.#slots.take(signal, () => this.#attempt.abort(), () => this.#attention.visible);
    } finally {
      clearTimeout(queueing);
    }
  }

  /** @param {string} token @param {AbortSignal} signal @returns {Promise<Ending>} */
  async #stream(token, signal) {
    this.#say({ state: 'connecting' });
    let born = 0;
    const ending = await readStream({
      url: this.#url,
      token,
      cursor: this.cursor,
      signal,
      watchdog: this.#watchdog,
      onFrame: (frame) => {
        born ||= performance.now();
        this.#alive();
        this.#take(frame);
      },
    });
    if (ending.reason === 'unauthorised') await this.#tokens.forget(token);
    return { ...ending, lived: born ? performance.now() - born : 0 };
  }

  #alive() {
    this.#refreshed = false;
    if (this.state.state !== 'live') this.#say({ state: 'live' });
  }

  /** @param {import('./sse.js').Frame} frame */
  #take(frame) {
    if (frame.id !== null) this.cursor = frame.id || null;
    if (frame.data === null) this.#remembered?.save(this.cursor);
    else if (frame.event === 'gap') this.#tell('gap', parseGap(frame.data));
    else this.#deliver(frame.data);
  }

  /** @param {string} data */
  #deliver(data) {
    const verdict = /** @type {Inbox} */ (this.#inbox).judge(data);
    if ('dropped' in verdict) {
      if (verdict.dropped === 'environment') console.warn('bellwire: an event of another environment was dropped');
      this.#tell('dropped', { why: verdict.dropped });
      return;
    }
    this.#tell('event', verdict.event);
    this.#showing?.offer(verdict.event);
  }

  /** Learns from the first token whose connection this is; every later one must be of the same. @param {string} token */
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
    this.#inbox = new Inbox(environment);
    this.#remembered = new Remembered(this.#url, identity);
    this.cursor ??= this.#remembered.load();
    this.#showing = new Showing(identity, {
      visible: () => this.#attention.visible && this.#showsToasts,
      show: (event) => this.#tell('toast', { toast: event.data?.toast, event }),
      dismissed: (name) => this.#tell('dismissed', { name }),
    });
  }

  /** @param {Ending} ending */
  async #wait(ending) {
    // A token may just have run out: one fresh one at once. Refused again, it is no accident.
    if (ending.reason === 'unauthorised' && !this.#refreshed) {
      this.#refreshed = true;
      return;
    }
    const pause = this.#retry.pause(/** @type {import('./stream.js').Ending} */ (ending));
    this.#say({ state: 'waiting', reason: ending.reason, detail: ending.detail, until: Date.now() + pause });
    const timer = new AbortController();
    const over = this.#until('change', timer.signal, () => !this.#attention.wanted);
    // Asked to wait, we wait; our own guess is cut short when the network or the person is back.
    const hurry = ending.retryAfter === undefined ? this.#until('hurry', timer.signal) : new Promise(() => {});
    const slept = new Promise((resolve) => {
      const id = setTimeout(resolve, pause);
      timer.signal.addEventListener('abort', () => clearTimeout(id));
    });
    await Promise.race([slept, over, hurry]);
    timer.abort();
  }

  /**
   * Waits for a word of the tab, or the end of the connection.
   * @param {string} type @param {AbortSignal} [signal] stops listening @param {() => boolean} [when]
   * @returns {Promise<void>}
   */
  #until(type, signal, when = () => true) {
    const heard = new AbortController();
    const stop = AbortSignal.any(signal ? [signal, heard.signal, this.#closed.signal] : [heard.signal, this.#closed.signal]);
    return new Promise((resolve) => {
      this.#attention.addEventListener(type, () => when() && heard.abort(), { signal: stop });
      if (stop.aborted) resolve();
      else stop.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** @param {State} state */
  #say(state) {
    if (this.state.state === 'closed') return;
    this.state = state;
    this.#tell('state', state);
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {string} data */
function parseGap(data) {
  try {
    return { reason: String(JSON.parse(data).reason) };
  } catch {
    return { reason: 'unknown' };
  }
}
