/**
 * A parser of server-sent events.
 *
 * The browser's `EventSource` hides frames that have an id and no data; those are our heartbeats.
 */

/**
 * One frame; `data` is null if there was no `data:` line.
 * @typedef {{ id: string | null, event: string, data: string | null, retry: number | null }} Frame
 */

/** Tells a frame that only tells the cursor: an event of that name, or a heartbeat. @param {Frame} frame */
export function isCursor({ id, event, data }) {
  return id !== null && (data === null || event === 'cursor');
}

/** The most characters of a frame; an event has 64 KiB at most. */
const MAX_FRAME = 1024 * 1024;

/** Turns bytes, split anywhere, into whole frames. */
export class SseParser {
  #decoder = new TextDecoder(); // keeps split UTF-8 for the next bytes and drops a byte order mark
  #text = '';
  #frame = emptyFrame();
  #size = 0;

  /**
   * Returns the frames that these bytes complete.
   * @param {Uint8Array} bytes
   * @returns {Frame[]}
   */
  push(bytes) {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const frames = [];
    let start = 0;
    for (;;) {
      const end = lineEnd(this.#text, start);
      if (end === null) break;
      const line = this.#text.slice(start, end.at);
      start = end.next;
      const frame = this.#parseLine(line);
      if (frame) frames.push(frame);
    }
    this.#text = this.#text.slice(start);
    if (this.#size + this.#text.length > MAX_FRAME) throw new RangeError('a frame is larger than 1 MiB');
    return frames;
  }

  /** @param {string} line @returns {Frame | null} the frame, if this is the empty line at its end */
  #parseLine(line) {
    if (line === '') {
      const frame = this.#frame;
      const empty = this.#size === 0;
      this.#frame = emptyFrame();
      this.#size = 0;
      return empty ? null : frame;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null; // a comment
    this.#size += line.length;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    this.#setField(name, value);
    return null;
  }

  /** @param {string} name @param {string} value */
  #setField(name, value) {
    const frame = this.#frame;
    if (name === 'data') frame.data = frame.data === null ? value : `${frame.data}\n${value}`;
    else if (name === 'event') frame.event = value;
    else if (name === 'id' && !value.includes('\0')) frame.id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) frame.retry = Number(value);
  }
}

/** @returns {Frame} */
function emptyFrame() {
  return { id: null, event: '', data: null, retry: null };
}

/**
 * The end of the next line, or null if it is not complete. A CR at the very end may be half a CRLF.
 * @param {string} text @param {number} from
 */
function lineEnd(text, from) {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10) return { at, next: at + 1 };
    if (code !== 13) continue;
    if (at + 1 === text.length) return null;
    return { at, next: text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
  }
  return null;
}
