/** One job, from its delivery to its settlement: its end is published and confirmed, and only then it is acknowledged. */

import { attempt, inputOf } from './attempt.js';
import { Cancelled, Permanent, Retry, TooLarge, Unavailable, words } from './errors.js';
import { Job, redeliveriesOf } from './job.js';
import { isHere } from './job-reader.js';
import { written } from './json-text.js';
import { RETRY_STEPS } from './names.js';
import { Task } from './task.js';
import { CONTENT_TYPE, TaskEvents, shortened, summary } from './task-events.js';
import { Happening, jittered } from './waiting.js';

/** @typedef {import('./attempt.js').Outcome} Outcome */
/** @typedef {import('./task-events.js').Failure} Failure */
/** @typedef {import('./job-reader.js').Delivery} Delivery */
/**
 * What becomes of a delivery.
 * A `delay` is a retry that is no attempt.
 * @typedef {{ what: 'done' | 'requeue' } | { what: 'retry' | 'delay', after: number } | { what: 'dead', reason: string }} Settlement
 */
/** @typedef {{ failure?: Failure, settlement: Settlement }} Verdict */

/**
 * A job that was delivered so often without a settlement ends its worker each time. Above the number of attempts, because a broker that
 * restarts counts too.
 */
const MOST_REDELIVERIES = 10;
/** The same over all that the job itself counts: what was moved takes the broker's count along. Above all that a policy allows. */
const MOST_ATTEMPTS = 40;
/** Between two events of progress, at least and at most. */
const PROGRESS_INTERVAL = 250;
const KEEP_ALIVE = 30_000;
/** Pauses between attempts to publish an end. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5_000;
/** The pause before a job that could not be moved is given back. */
const GIVE_BACK = 1_000;
const MOST_REASON = 2000;

/** Runs the jobs of one function. */
export class Runner {
  graceOver = new Happening();
  /** A function that was told to stop may still run. */
  hasAbandoned = false;
  /**
   * One run of a task at a time: a broker that lost our connection hands a job out again while it still runs here.
   * @type {Map<string, Promise<unknown>>}
   */
  #locks = new Map();

  /**
   * @param {import('./attempt.js').KindFunction} functionOfKind
   * @param {{ names: import('./names.js').Names, keys: import('node:crypto').KeyObject[], attempts: number, publisher: import('./publisher.js').Publisher,
   *   logReader: import('./log-reader.js').LogReader, storage?: import('./storage.js').Storage, log: import('./log.js').Log }} services
   */
  constructor(functionOfKind, { names, keys, attempts, publisher, logReader, storage, log }) {
    this.function = functionOfKind;
    this.names = names;
    this.keys = keys;
    this.attempts = attempts;
    this.publisher = publisher;
    this.logReader = logReader;
    this.storage = storage;
    this.log = log;
  }

  /** Runs a job and settles it. @param {Delivery} delivery */
  handle = async (delivery) => {
    const redeliveries = redeliveriesOf(delivery.message);
    /** @type {Job | undefined} */
    let job;
    let number = 1 + redeliveries;
    try {
      job = Job.read(delivery.message.content);
      number += job.attempts;
      job.check(this.names.environment, this.names.kind, this.keys);
    } catch (fault) {
      this.log.error(`a delivery is no job to run here, and is put beside the queue: ${words(fault)}`);
      return this.#settle(delivery, job, number, { what: 'dead', reason: words(fault) });
    }
    const checked = job;
    const settlement = await this.#alone(job.task, () => this.#run(checked, number, redeliveries));
    return this.#settle(delivery, job, number, settlement);
  };

  /** @param {Job} job @param {number} number @param {number} redeliveries @returns {Promise<Settlement>} */
  async #run(job, number, redeliveries) {
    if (this.graceOver.happened) return { what: 'requeue' };
    if (this.logReader.hasSucceeded(job.task)) {
      this.log.info(`task ${job.task} has succeeded before: its job came twice`);
      return { what: 'done' };
    }
    const events = new TaskEvents(job, number, this.log);
    if (job.delay() > 0) return this.#delay(job, events);
    const isLost = redeliveries > MOST_REDELIVERIES || number > MOST_ATTEMPTS;
    /** @type {Outcome} */
    let outcome;
    if (this.logReader.isCancelled(job.task)) outcome = { stopped: 'cancelled' };
    else outcome = isLost ? { stopped: 'lost' } : await this.#attempt(job, number, events);
    const { failure, settlement } = this.#verdict(outcome, job, number);
    this.log.info(`task ${job.task}: ${failure ? settlement.what : 'ended'} (attempt ${number})`);
    if (settlement.what === 'requeue') return settlement;
    if (settlement.what === 'retry' && failure) {
      await this.#tell(events.queued(failure));
      return settlement;
    }
    // Done and not told: the next worker finds its effect and tells it.
    if (!(await this.#tellEnd(job, events, outcome, failure))) return { what: 'requeue' };
    if ('result' in outcome) this.logReader.succeeded(job.task);
    return settlement;
  }

  /** Lets a job wait whose time has not come; one that was cancelled meanwhile ends now. @param {Job} job @param {TaskEvents} events @returns {Promise<Settlement>} */
  async #delay(job, events) {
    if (this.logReader.isCancelled(job.task)) {
      return { what: (await this.#tellEnd(job, events, { stopped: 'cancelled' })) ? 'done' : 'requeue' };
    }
    const event = events.stillQueued();
    if (event) await this.#tell(event);
    return { what: 'delay', after: stepBelow(job.delay() / 1000) };
  }

  /** @param {Job} job @param {number} number @param {TaskEvents} events @returns {Promise<Outcome>} */
  async #attempt(job, number, events) {
    const [cancelled, changed, ended] = [new Happening(), new Happening(), new Happening()];
    const { environment } = this.names;
    const task = new Task(job, { environment, attempt: number, milliseconds: this.function.deadline, storage: this.storage, told: changed.happen });
    this.logReader.watch(job.task, cancelled.happen);
    const telling = this.#tellProgress(task, events, changed, ended);
    try {
      const readInput = () => inputOf(job, environment, this.storage);
      const abandoned = () => {
        this.log.warn(`task ${job.task}: the function did not stop in time; it is abandoned`);
        this.hasAbandoned = true;
      };
      return await attempt(this.function, task, readInput, { cancelled, graceOver: this.graceOver, abandoned });
    } finally {
      this.logReader.unwatch(job.task);
      ended.happen();
      changed.happen();
      // Waited for and not cut off: it comes before the end.
      await telling;
    }
  }

  /** @param {Task} task @param {TaskEvents} events @param {Happening} changed @param {Happening} ended */
  async #tellProgress(task, events, changed, ended) {
    await this.#tell(events.started());
    for (let told = 0; !ended.happened; ) {
      changed.reset();
      const isDue = task.reported === told && !(await changed.wait(jittered(KEEP_ALIVE, 0.7, 1)));
      if (ended.happened) return;
      if (isDue || task.reported !== told) {
        told = task.reported;
        await this.#tell(events.progressed(told));
      }
      await ended.wait(PROGRESS_INTERVAL);
    }
  }

  /** @param {Outcome} outcome @param {Job} job @param {number} number @returns {Verdict} */
  #verdict(outcome, job, number) {
    if ('result' in outcome) return { settlement: { what: 'done' } };
    if ('stopped' in outcome) return this.#verdictOfStopped(outcome.stopped, number);
    const { error } = outcome;
    if (error instanceof Permanent) return { failure: { reason: error.reason, message: error.message }, settlement: { what: 'done' } };
    const failure = failureOf(error);
    if (!(error instanceof Cancelled)) this.log.warn(`task ${job.task}: ${failure.reason}`, error);
    if (number >= this.attempts) return givenUp(failure, number);
    const after = error instanceof Retry && error.after !== undefined ? stepBelow(error.after) : RETRY_STEPS[Math.min(number, RETRY_STEPS.length) - 1];
    return { failure, settlement: { what: 'retry', after } };
  }

  /** @param {'cancelled' | 'deadline' | 'shutdown' | 'lost'} why @param {number} number @returns {Verdict} */
  #verdictOfStopped(why, number) {
    if (why === 'shutdown') return { settlement: { what: 'requeue' } };
    if (why === 'cancelled') return { settlement: { what: 'done' } };
    if (why === 'lost') return givenUp({ reason: 'lost', message: 'Its worker was lost each time it was tried.' }, number);
    const message = `It took longer than the ${shownTime(this.function.deadline)} that it may take.`;
    return { failure: { reason: 'deadline', message }, settlement: { what: 'done' } };
  }

  /** Once: the next event says more. @param {import('./task-events.js').Event} event */
  async #tell(event) {
    try {
      await this.#publish(event);
    } catch (error) {
      this.log.warn(`an event of a running task was not published: ${words(error)}`);
    }
  }

  /**
   * Again and again until the broker has it; false if the worker's time is over first.
   * @param {Job} job @param {TaskEvents} events @param {Outcome} outcome @param {Failure} [failure]
   */
  async #tellEnd(job, events, outcome, failure) {
    let event;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        event ??= await this.#end(job, events, outcome, failure);
        await this.#publish(event);
        return true;
      } catch (error) {
        this.log.warn(`the end of task ${job.task} is not told yet; it is tried again: ${words(error)}`);
        if (!event) await this.#tell(events.progressed(1)); // So that the worker is not taken for lost.
      }
      if (await this.graceOver.wait(jittered(pause, 1, 2))) return false;
    }
  }

  /** @param {Job} job @param {TaskEvents} events @param {Outcome} outcome @param {Failure} [failure] */
  async #end(job, events, outcome, failure) {
    if (failure) return events.failed(failure);
    if (!('result' in outcome)) return events.cancelled();
    const { result } = outcome;
    try {
      return events.succeeded(result);
    } catch (fault) {
      if (fault instanceof TooLarge) return events.succeeded(await this.#stored(job, result, words(fault)));
      // Its effect is there, so it succeeded.
      this.log.error(`the result or the toast of task ${job.task} cannot be told; it is left out: ${words(fault)}`);
      return events.succeeded({ output: { omitted: shortened(`it cannot be told: ${words(fault)}`, 500) } });
    }
  }

  /** @param {Job} job @param {import('./task.js').Result} result @param {string} why */
  async #stored(job, result, why) {
    if (!this.storage) {
      this.log.error(`the result of task ${job.task} is left out: ${why}, and this worker has no storage`);
      return { ...result, output: { omitted: `${why}, and the worker has no storage` } };
    }
    const text = written(result.output);
    const key = await this.storage.writeResult(this.names.environment, job.owner, job.task, text);
    return { ...result, output: summary(result.output, key, Buffer.byteLength(text)) };
  }

  /** @param {import('./task-events.js').Event} event */
  #publish(event) {
    return this.publisher.publish(this.names.exchange, '', event.body, { messageId: event.id, contentType: CONTENT_TYPE });
  }

  /** @param {Delivery} delivery @param {Job | undefined} job @param {number} number @param {Settlement} settlement */
  async #settle(delivery, job, number, settlement) {
    const { message, lane } = delivery;
    try {
      if (!isHere(delivery)) throw new Error('the connection that it came over is gone');
      if (settlement.what === 'requeue') return lane.channel.reject(message, true);
      if (settlement.what !== 'done') await this.#move(delivery, job, number, settlement);
      lane.channel.ack(message);
    } catch (error) {
      this.log.warn(`a job was not settled; it comes again: ${words(error)}`);
      // Not at once: what kept it from moving may last.
      await this.graceOver.wait(GIVE_BACK);
      if (isHere(delivery)) lane.channel.reject(message, true);
    }
  }

  /** @param {Delivery} delivery @param {Job | undefined} job @param {number} number @param {Settlement} settlement */
  #move(delivery, job, number, settlement) {
    const { message } = delivery;
    const properties = {
      messageId: job?.task ?? message.properties.messageId ?? '', contentType: 'application/json', isWanted: () => isHere(delivery),
    };
    // Redeliveries are counted in, so that the next attempt has a higher number than all before.
    const isDelay = settlement.what === 'delay';
    const body = (isDelay ? job?.withAttempts(job.attempts) : job?.withAttempts(number)) ?? message.content;
    const { jobs, kind } = this.names;
    if (settlement.what === 'retry' || settlement.what === 'delay') {
      // Jobs that fail together do not come back together, and none waits beyond its time.
      const step = jittered(settlement.after * 1000, 0.8, 1);
      const expires = isDelay ? Math.max(Math.min(step, job?.delay() ?? step), 1) : step;
      return this.publisher.publish(jobs, `${kind}.retry.${settlement.after}s`, body, { ...properties, expires });
    }
    const reason = settlement.what === 'dead' ? [...settlement.reason].slice(0, MOST_REASON).join('') : '';
    const headers = { reason, 'dead-since': new Date().toISOString(), attempts: { '!': 'int64', value: number } };
    return this.publisher.publish(jobs, `${kind}.dead`, body, { ...properties, headers });
  }

  /** @template T @param {string} task @param {() => Promise<T>} work @returns {Promise<T>} */
  async #alone(task, work) {
    const mine = (this.#locks.get(task) ?? Promise.resolve()).then(work);
    const settled = mine.then(() => {}, () => {});
    this.#locks.set(task, settled);
    try {
      return await mine;
    } finally {
      if (this.#locks.get(task) === settled) this.#locks.delete(task);
    }
  }
}

/** @param {unknown} error @returns {Failure} */
function failureOf(error) {
  if (error instanceof Retry) return { reason: 'unavailable', message: error.message };
  if (error instanceof Cancelled) return { reason: 'stopped', message: 'It ended early without a reason.' };
  return { reason: 'panic', message: "It failed unexpectedly; the worker's log says more." };
}

/** @param {Failure} failure @param {number} number @returns {Verdict} */
function givenUp(failure, number) {
  const reason = `given up after attempt ${number}: ${failure.reason}: ${failure.message}`;
  return { failure, settlement: { what: 'dead', reason } };
}

/** @param {number} seconds */
const stepBelow = (seconds) => RETRY_STEPS.findLast((step) => step <= seconds) ?? RETRY_STEPS[0];

/** @param {number} milliseconds */
const shownTime = (milliseconds) => (milliseconds >= 60_000 ? `${Math.floor(milliseconds / 60_000)} minutes` : `${milliseconds / 1000} seconds`);
