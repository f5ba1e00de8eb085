import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SseParser } from '../../../client/module/sse.js';

const bytes = (text) => new TextEncoder().encode(text);
const FRAMES = [
  { id: 'c1', event: '', data: null, retry: null },
  { id: 'c2', event: 'x', data: 'Grüße 🔔', retry: null },
  { id: null, event: '', data: 'a\nb', retry: 700 },
];
const text = (end) => ['\uFEFFid: c1', '', ': a comment', 'id:c2', 'event: x', 'data: Grüße 🔔', '', 'data: a', 'data: b', 'retry: 700', '', ''].join(end);

for (const [name, end] of [['LF', '\n'], ['CRLF', '\r\n'], ['CR', '\r']]) {
  test(`the same frames come out wherever the bytes are split, with ${name}`, () => {
    const all = bytes(text(end) + (end === '\r' ? 'id' : '')); // a CR at the very end may be half a CRLF
    for (let cut = 0; cut <= all.length; cut++) {
      const parser = new SseParser();
      assert.deepEqual([...parser.push(all.slice(0, cut)), ...parser.push(all.slice(cut))], FRAMES, `cut at ${cut}`);
    }
    const parser = new SseParser();
    assert.deepEqual([...all].flatMap((byte) => parser.push(Uint8Array.of(byte))), FRAMES);
  });
}

test('an id with NUL, a retry that is no number and unknown fields are passed over', () => {
  const frames = new SseParser().push(bytes('id: a\0b\nretry: soon\nfoo: bar\ndata\n\n'));
  assert.deepEqual(frames, [{ id: null, event: '', data: '', retry: null }]);
});

test('comments alone are no frame', () => {
  assert.deepEqual(new SseParser().push(bytes(':\n\n: still here\n\n\n')), []);
});

test('a frame without end is given up before it fills the memory', () => {
  const parser = new SseParser();
  const piece = bytes(`data: ${'x'.repeat(60_000)}\n`);
  assert.throws(() => { for (let n = 0; n < 40; n++) parser.push(piece); }, RangeError);
  const line = new SseParser();
  assert.throws(() => { for (let n = 0; n < 40; n++) line.push(bytes('x'.repeat(60_000))); }, RangeError);
});
