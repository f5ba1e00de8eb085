import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fold } from '../../../client/module/task.js';
import { RetryPolicy } from '../../../client/module/retry-policy.js';

const said = (state, attempt, sequence, progress = 0) => ({ id: 't', kind: 'imports', title: 'x', state, attempt, sequence, progress });

/** Every order of these. */
function* orders(list) {
  if (list.length < 2) return yield list;
  for (const [n, each] of list.entries()) for (const rest of orders(list.toSpliced?.(n, 1) ?? list.filter((_, m) => m !== n))) yield [each, ...rest];
}

const outcome = (words) => {
  const { state, attempt, progress } = words.reduce(fold, undefined);
  return { state, attempt, progress };
};

test('a task ends the same in whatever order its events come, and when they come twice', () => {
  const words = [said('queued', 0, 0), said('running', 1, 1), said('running', 1, 2, 0.6), said('running', 2, 1, 0.1), said('succeeded', 2, 2, 1)];
  for (const order of orders(words)) {
    assert.deepEqual(outcome(order), { state: 'succeeded', attempt: 2, progress: 1 });
    assert.deepEqual(outcome([...order, ...order]), { state: 'succeeded', attempt: 2, progress: 1 });
  }
});

test('progress does not go back within an attempt, and begins anew with the next', () => {
  for (const order of orders([said('queued', 0, 0), said('running', 1, 1, 0.2), said('running', 1, 2, 0.6)])) {
    assert.equal(outcome(order).progress, 0.6);
  }
  assert.equal(outcome([said('running', 1, 9, 0.9), said('running', 2, 1, 0.1)]).progress, 0.1);
});

test('an effect that came about beats a cancelling that came too late', () => {
  for (const order of orders([said('running', 1, 1), said('cancelled', 0, 1), said('succeeded', 1, 2, 1)])) {
    assert.equal(outcome(order).state, 'succeeded');
  }
  assert.equal(outcome([said('cancelled', 0, 1), said('failed', 1, 4)]).state, 'cancelled');
});

test('a run that was taken back shows how its steps are undone', () => {
  const [done, undone] = [[{ id: 'a', state: 'succeeded' }], [{ id: 'a', state: 'compensated' }]];
  const back = [{ ...said('cancelled', 1, 3), steps: done }, { ...said('cancelled', 1, 5), steps: undone }];
  assert.deepEqual(back.reduce(fold, undefined).steps, undone);
  assert.deepEqual([...back, back[0], said('cancelled', 1, 6)].reduce(fold, undefined).steps, undone);
});

test('what went wrong is over once something newer is said, and the steps stand until they are said anew', () => {
  const lost = { ...said('queued', 1, 2), error: { reason: 'lost', message: 'x' } };
  assert.equal([lost, said('running', 2, 1)].reduce(fold, undefined).error, undefined);
  const steps = [{ id: 'a' }];
  assert.deepEqual([{ ...said('running', 1, 1), steps }, said('cancelled', 0, 1)].reduce(fold, undefined).steps, steps);
});

test('pauses grow, are jittered, and stay under half a minute without end', () => {
  const longest = new RetryPolicy(() => 1);
  const pauses = Array.from({ length: 100 }, () => longest.nextDelay({ reason: 'network' }));
  assert.deepEqual(pauses.slice(0, 8), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.equal(pauses.at(-1), 30_000);
  assert.equal(new RetryPolicy(() => 0).nextDelay({ reason: 'network' }), 0);
});

test('a stream that lived begins the count anew, one that fell at once does not', () => {
  const retry = new RetryPolicy(() => 1);
  for (let n = 0; n < 5; n++) retry.nextDelay({ reason: 'ended', duration: 20 });
  assert.equal(retry.nextDelay({ reason: 'ended', duration: 20 }), 16_000);
  assert.equal(retry.nextDelay({ reason: 'ended', duration: 60_000 }), 500);
});

test('what the gateway asks for is honoured', () => {
  const retry = new RetryPolicy(() => 0);
  assert.equal(retry.nextDelay({ reason: 'ended', retry: 1234, duration: 20_000 }), 1234);
  assert.equal(retry.nextDelay({ reason: 'busy', retryAfter: 90_000 }), 90_000);
  assert.equal(retry.nextDelay({ reason: 'busy', retryAfter: 10 ** 12 }), 600_000);
});
