/** One stream of server-sent events, from the request to its end. The caller decides what follows the end. */

import { isCursor, SseParser } from './sse.js';

/** @import { Frame } from './sse.js' */
/** @import { Watchdog } from './watchdog.js' */

/**
 * The end of a stream. `retryAfter` and `retry` are milliseconds that the gateway asked for, `duration` those since
 * the first frame.
 * @typedef {{
 *   reason: 'ended' | 'silent' | 'unauthorised' | 'busy' | 'refused' | 'network' | 'stopped',
 *   status?: number, detail?: string, retryAfter?: number, retry?: number, duration?: number
 * }} StreamEnd
 */

/**
 * @typedef {object} StreamRequest
 * @property {URL} url of the events
 * @property {string} token
 * @property {string | null} cursor the position to resume after
 * @property {AbortSignal} signal ends the stream
 * @property {Watchdog} watchdog ends a silent stream
 * @property {(frame: Frame) => void} onFrame
 * @property {(headers: Headers, signal: AbortSignal) => void} [onHead] the head of the answer, and the end of what follows it
 */

/**
 * Opens a stream and reads it to its end.
 * @param {StreamRequest} request
 * @returns {Promise<StreamEnd>}
 */
export async function readStream(request) {
  const stop = new AbortController();
  const forward = () => stop.abort('stopped');
  request.signal.addEventListener('abort', forward);
  if (request.signal.aborted) forward();
  request.watchdog.start(() => stop.abort('silent'));
  try {
    const response = await open(request, stop.signal);
    request.onHead?.(response.headers, stop.signal);
    return isStream(response) ? await readFrames(response, request) : await readRefusal(response);
  } catch (error) {
    if (stop.signal.aborted) return { reason: stop.signal.reason };
    return { reason: 'network', detail: error instanceof Error ? error.message : String(error) };
  } finally {
    request.watchdog.stop();
    request.signal.removeEventListener('abort', forward);
    stop.abort('stopped'); // an unread body would keep its connection open
  }
}

/** @param {StreamRequest} request @param {AbortSignal} signal */
function open({ url, token, cursor }, signal) {
  /** @type {Record<string, string>} */
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
  if (cursor !== null) headers['last-event-id'] = cursor;
  // The URL is the same for every attempt, so that a preflight stays cached.
  return fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit' });
}

/** Tells a stream from a proxy's login page, which is a success too. @param {Response} response */
function isStream(response) {
  return response.ok && response.headers.get('content-type')?.startsWith('text/event-stream');
}

/** @param {Response} response @param {StreamRequest} request @returns {Promise<StreamEnd>} */
async function readFrames(response, { onFrame, watchdog }) {
  const parser = new SseParser();
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  /** @type {number | undefined} */
  let retry;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return { reason: 'ended', retry };
    const frames = parser.push(value);
    watchdog.feed(frames.some(isCursor));
    for (const frame of frames) {
      retry = frame.retry ?? retry;
      onFrame(frame);
    }
  }
}

/** @param {Response} response @returns {Promise<StreamEnd>} */
async function readRefusal(response) {
  const { status } = response;
  const detail = await problemMessage(response);
  const retryAfter = readRetryAfter(response.headers.get('retry-after'));
  if (status === 401) return { reason: 'unauthorised', status, detail };
  if (status === 429 || status === 503) return { reason: 'busy', status, detail, retryAfter };
  return { reason: 'refused', status, detail, retryAfter };
}

/**
 * The detail of an RFC 9457 problem, or the status if the response has none.
 * @param {Response} response
 */
export async function problemMessage(response) {
  try {
    const problem = await response.json();
    const text = problem.detail ?? problem.title;
    if (typeof text === 'string' && text) return text.slice(0, 500);
  } catch {
    // Not JSON, such as a load balancer's page.
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
