/**
 * Limits the streams that all tabs of a browser hold to one gateway over HTTP/1.1.
 *
 * A browser opens six HTTP/1.1 connections to a host; with six streams every other request would hang. So tabs share
 * a few slots and take turns when there are not enough. A slot is a Web Lock, held as long as the stream, so that a
 * crashed tab frees it; on plain http, where there are none, a lease. A hidden tab gives its slot up as soon as another
 * waits, a visible one after a while; the cursor makes that lose nothing.
 */

import { TabLeases } from './tab-leases.js';

/** Milliseconds that a visible tab keeps its slot while another waits. */
const MIN_HOLD = 3_000;
const CHECK_INTERVAL = 500;

/** @typedef {{ release: () => void }} Slot */
/** @typedef {Slot & { isWanted: () => boolean | Promise<boolean> }} SharedSlot */

/** Where a page may use neither locks nor the storage there is nothing to share. @type {SharedSlot} */
const UNSHARED = { release() {}, isWanted: () => false };

/** The slots of one gateway. */
export class StreamSlots {
  #names;
  #url;
  /** @type {TabLeases | null | undefined} */
  #leases;

  /** @param {URL} url of the events @param {number} count the most streams over all tabs */
  constructor(url, count) {
    this.#url = url;
    this.#names = Array.from({ length: count }, (_, n) => `bellwire:stream:${url.host}:${n}`);
  }

  /**
   * Waits for a slot.
   * @param {AbortSignal} signal stops waiting
   * @param {() => void} onContention called when this tab should release its slot to another
   * @param {() => boolean} isVisible
   * @returns {Promise<Slot>}
   */
  async take(signal, onContention, isVisible) {
    if (isMultiplexed(this.#url)) return { release() {} };
    const slot = await this.#first(signal);
    const since = performance.now();
    const timer = setInterval(async () => {
      if (isVisible() && performance.now() - since < MIN_HOLD) return;
      if (await slot.isWanted()) onContention();
    }, CHECK_INTERVAL * (1 + Math.random()));
    const release = () => {
      clearInterval(timer);
      slot.release();
    };
    return { release };
  }

  /** The slot that is free first. @param {AbortSignal} signal @returns {Promise<SharedSlot>} */
  #first(signal) {
    if ('locks' in navigator) return firstFreeLock(this.#names, signal);
    this.#leases ??= TabLeases.areOffered ? new TabLeases(this.#names) : null;
    return this.#leases?.take(signal) ?? Promise.resolve(UNSHARED);
  }
}

/**
 * Takes whichever of these locks is free first.
 * @param {string[]} names @param {AbortSignal} signal
 * @returns {Promise<SharedSlot>}
 */
function firstFreeLock(names, signal) {
  const others = new AbortController();
  const forward = () => others.abort();
  signal.addEventListener('abort', forward, { once: true });
  return new Promise((resolve, reject) => {
    let taken = false;
    const requests = names.map((name) =>
      navigator.locks.request(name, { signal: others.signal }, () => {
        if (taken) return undefined; // two were granted at once: release the second
        taken = true;
        signal.removeEventListener('abort', forward);
        others.abort();
        return new Promise((release) => resolve({ release: () => release(undefined), isWanted: () => isPending(name) }));
      }),
    );
    // All fail only when aborted, or where a page may not use locks: then there is nothing to share.
    Promise.allSettled(requests).then(() => (signal.aborted ? reject(signal.reason) : resolve(UNSHARED)));
    if (signal.aborted) forward();
  });
}

/** True if another tab waits for this lock. @param {string} name */
async function isPending(name) {
  const { pending } = await navigator.locks.query();
  return pending?.some((lock) => lock.name === name) ?? false;
}

/**
 * True if the gateway speaks HTTP/2 or 3, where streams share a connection, judged by the resources loaded from it.
 * @param {URL} url
 */
function isMultiplexed(url) {
  const loaded = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType('resource'));
  const page = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType('navigation'));
  const protocols = [...loaded, ...page].filter((entry) => URL.canParse(entry.name) && new URL(entry.name).host === url.host);
  return protocols.some((entry) => /^h[23]/.test(entry.nextHopProtocol));
}
