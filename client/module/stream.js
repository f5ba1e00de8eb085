/**
 * One stream from opening to its end. It speaks the wire and decides nothing: the end is a value,
 * and whoever called chooses what to do about it.
 */

import { SseParser } from './sse.js';

/**
 * How a stream ended. `retryAfter` and `retry` are milliseconds that the gateway asked for.
 * @typedef {{
 *   reason: 'ended' | 'silent' | 'unauthorised' | 'busy' | 'refused' | 'network' | 'stopped',
 *   status?: number, detail?: string, retryAfter?: number, retry?: number, lived?: number
 * }} Ending
 */

/**
 * @typedef {object} StreamRequest
 * @property {URL} url where the events are
 * @property {string} token
 * @property {string | null} cursor where to go on
 * @property {AbortSignal} signal stops it
 * @property {import('./watchdog.js').Watchdog} watchdog says when silence is an end
 * @property {(frame: import('./sse.js').Frame) => void} onFrame
 */

/**
 * Opens a stream and reads it to its end.
 * @param {StreamRequest} request
 * @returns {Promise<Ending>}
 */
export async function readStream(request) {
  const stop = new AbortController();
  const forward = () => stop.abort('stopped');
  request.signal.addEventListener('abort', forward);
  if (request.signal.aborted) forward();
  request.watchdog.start(() => stop.abort('silent'));
  try {
    const response = await open(request, stop.signal);
    return isStream(response) ? await read(response, request) : await refusal(response);
  } catch (error) {
    if (stop.signal.aborted) return { reason: stop.signal.reason };
    return { reason: 'network', detail: error instanceof Error ? error.message : String(error) };
  } finally {
    request.watchdog.stop();
    request.signal.removeEventListener('abort', forward);
    stop.abort('stopped'); // a body that was not read to its end would keep its connection
  }
}

/** @param {StreamRequest} request @param {AbortSignal} signal */
function open({ url, token, cursor }, signal) {
  /** @type {Record<string, string>} */
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
  if (cursor !== null) headers['last-event-id'] = cursor;
  // The URL stays the same over reconnects: a preflight, where there is one, stays cached.
  return fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit' });
}

/** A proxy's login page is a success too, but no stream. @param {Response} response */
function isStream(response) {
  return response.ok && response.headers.get('content-type')?.startsWith('text/event-stream');
}

/** @param {Response} response @param {StreamRequest} request @returns {Promise<Ending>} */
async function read(response, { onFrame, watchdog }) {
  const parser = new SseParser();
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  /** @type {number | undefined} */
  let retry;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return { reason: 'ended', retry };
    const frames = parser.push(value);
    watchdog.feed(frames.some((frame) => frame.id !== null && frame.data === null));
    for (const frame of frames) {
      retry = frame.retry ?? retry;
      onFrame(frame);
    }
  }
}

/** @param {Response} response @returns {Promise<Ending>} */
async function refusal(response) {
  const { status } = response;
  const detail = await problemText(response);
  const retryAfter = readRetryAfter(response.headers.get('retry-after'));
  if (status === 401) return { reason: 'unauthorised', status, detail };
  if (status === 429 || status === 503) return { reason: 'busy', status, detail, retryAfter };
  return { reason: 'refused', status, detail, retryAfter };
}

/**
 * The words of an RFC 9457 problem, or the status where there are none.
 * @param {Response} response
 */
export async function problemText(response) {
  try {
    const problem = await response.json();
    const words = problem.detail ?? problem.title;
    if (typeof words === 'string' && words) return words.slice(0, 500);
  } catch {
    // Not JSON: a load balancer's page, say.
  }
  return `the gateway answered ${response.status}`;
}

/**
 * Milliseconds of a Retry-After header: seconds or a date.
 * @param {string | null} header
 */
export function readRetryAfter(header) {
  if (!header) return undefined;
  const milliseconds = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}
