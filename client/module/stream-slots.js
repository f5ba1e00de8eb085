/**
 * A browser opens six HTTP/1.1 connections to a host, over all its tabs; the seventh stream would hang every
 * page and every API call. So the tabs of a browser share a few slots and take turns when there are not enough.
 *
 * A slot is a Web Lock, held as long as the stream: it frees itself when a tab crashes. A hidden holder leaves at
 * once when another tab waits, a visible one after its turn. The cursor makes a turn lose nothing.
 */

const TURN = 3_000;
const LOOK = 500;

/**
 * A slot held.
 * @typedef {{ release: () => void }} Slot
 */

/** Takes slots for the streams to one gateway. */
export class Slots {
  #names;
  #url;

  /** @param {URL} url where the events are @param {number} count how many streams at most, over all tabs */
  constructor(url, count) {
    this.#url = url;
    this.#names = Array.from({ length: count }, (_, n) => `bellwire:stream:${url.host}:${n}`);
  }

  /**
   * Waits for a slot.
   * @param {AbortSignal} signal gives up waiting
   * @param {() => void} leave called when another tab waits and this one should go
   * @param {() => boolean} visible
   * @returns {Promise<Slot>}
   */
  async take(signal, leave, visible) {
    if (!('locks' in navigator) || isMultiplexed(this.#url)) return { release() {} };
    const slot = await anyOf(this.#names, signal);
    const since = performance.now();
    const timer = setInterval(async () => {
      if (visible() && performance.now() - since < TURN) return;
      const { pending } = await navigator.locks.query();
      if (pending?.some((lock) => lock.name === slot.name)) leave();
    }, LOOK + Math.random() * LOOK);
    const release = () => {
      clearInterval(timer);
      slot.release();
    };
    return { release };
  }
}

/**
 * The first of these locks that is free.
 * @param {string[]} names @param {AbortSignal} signal
 * @returns {Promise<Slot & { name: string }>}
 */
function anyOf(names, signal) {
  const others = new AbortController();
  const forward = () => others.abort();
  signal.addEventListener('abort', forward, { once: true });
  return new Promise((resolve, reject) => {
    let taken = false;
    const requests = names.map((name) =>
      navigator.locks.request(name, { signal: others.signal }, () => {
        if (taken) return undefined; // two came at once: the second is let go
        taken = true;
        signal.removeEventListener('abort', forward);
        others.abort();
        return new Promise((release) => resolve({ name, release: () => release(undefined) }));
      }),
    );
    // All of them fail only when we gave up, or where a page may not lock at all: then there is nothing to share.
    Promise.allSettled(requests).then(() => (signal.aborted ? reject(signal.reason) : resolve({ name: '', release() {} })));
    if (signal.aborted) forward();
  });
}

/**
 * Whether the gateway speaks HTTP/2 or 3, where streams share a connection. Known from what was loaded from it.
 * @param {URL} url
 */
function isMultiplexed(url) {
  const loaded = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType('resource'));
  const page = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType('navigation'));
  const protocols = [...loaded, ...page].filter((entry) => URL.canParse(entry.name) && new URL(entry.name).host === url.host);
  return protocols.some((entry) => /^h[23]/.test(entry.nextHopProtocol));
}
