/**
 * Limits the streams that all tabs of a browser hold to one gateway over HTTP/1.1.
 *
 * A browser opens six HTTP/1.1 connections to a host; with six streams every other request would hang. So tabs share
 * a few slots and take turns when there are not enough. A slot is a Web Lock, held as long as the stream, so that a
 * crashed tab frees it. A hidden tab gives its slot up as soon as another waits, a visible one after a while; the
 * cursor makes that lose nothing.
 */

/** Milliseconds that a visible tab keeps its slot while another waits. */
const MIN_HOLD = 3_000;
const CHECK_INTERVAL = 500;

/** @typedef {{ release: () => void }} Slot */

/** The slots of one gateway. */
export class StreamSlots {
  #names;
  #url;

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
    if (!('locks' in navigator) || isMultiplexed(this.#url)) return { release() {} };
    const slot = await firstFreeLock(this.#names, signal);
    const since = performance.now();
    const timer = setInterval(async () => {
      if (isVisible() && performance.now() - since < MIN_HOLD) return;
      const { pending } = await navigator.locks.query();
      if (pending?.some((lock) => lock.name === slot.name)) onContention();
    }, CHECK_INTERVAL * (1 + Math.random()));
    const release = () => {
      clearInterval(timer);
      slot.release();
    };
    return { release };
  }
}

/**
 * Takes whichever of these locks is free first.
 * @param {string[]} names @param {AbortSignal} signal
 * @returns {Promise<Slot & { name: string }>}
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
        return new Promise((release) => resolve({ name, release: () => release(undefined) }));
      }),
    );
    // All fail only when aborted, or where a page may not use locks: then there is nothing to share.
    Promise.allSettled(requests).then(() => (signal.aborted ? reject(signal.reason) : resolve({ name: '', release() {} })));
    if (signal.aborted) forward();
  });
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
