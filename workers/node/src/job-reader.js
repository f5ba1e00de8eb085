/**
 * Takes jobs from the queues of its kind: those of high priority first, those of low last, and the rest in turn.
 *
 * While there is none, the first lane pushes the next, for its latency; else each is asked for, so that no job is held here that another
 * worker could begin.
 */

import { ANSWER, keepConnected, watched } from './broker.js';
import { words } from './errors.js';
import { Job, redeliveriesOf } from './job.js';
import { LANES, laneOf } from './names.js';
import { Turns } from './turns.js';
import { Happening, anyOf, jittered, within } from './waiting.js';

/** The pause between two looks into the lanes, and the shortest one however often it is woken. */
const LOOK_INTERVAL = 1_000;
const SHORTEST_LOOK_INTERVAL = 100;
/** A lane that did not take a job is sent none for so long, since each keeps the others waiting. */
const SHUT = 60_000;
/** A job went to its own lane: the lanes are to be asked again. */
const MOVED = Symbol('moved');

/** @typedef {{ queue: string, rank: number, channel: import('amqplib').Channel, closed: Happening }} Lane */
/** A job that was taken, and the lane that it is settled over. @typedef {{ message: import('amqplib').Message, lane: Lane }} Delivery */

/** False if its connection is gone: the broker has put it back, and moving it now would double it. @param {Delivery} delivery */
export const isHere = ({ lane }) => !lane.closed.happened;

/** Asks for a job whenever there is room for one. */
export class JobReader {
  /** @type {Set<Promise<void>>} */
  #running = new Set();
  #changed = new Happening();
  #released = new Happening();
  #isStopping = false;
  #isTold = false;
  #turns = new Turns();
  /** Lanes that did not take a job, and until when. @type {Map<string, number>} */
  #shut = new Map();

  /**
   * @param {string} url @param {import('./names.js').Names} names @param {import('./publisher.js').Publisher} publisher
   * @param {number} atOnce @param {import('./log.js').Log} log @param {() => boolean} isLogRead @param {(delivery: Delivery) => Promise<void>} handle
   */
  constructor(url, names, publisher, atOnce, log, isLogRead, handle) {
    this.url = url;
    this.names = names;
    this.publisher = publisher;
    this.atOnce = atOnce;
    this.log = log;
    this.isLogRead = isLogRead;
    this.handle = handle;
  }

  /** Looks again: there may be a job, or whether jobs may begin has changed. */
  changed = () => this.#changed.happen();

  /** Takes no more; what was taken is still settled over its connection until `release`. */
  stop() {
    this.#isStopping = true;
    this.#changed.happen();
  }

  /** Waits until nothing runs any more; false if that takes longer. @param {number} milliseconds */
  async finished(milliseconds) {
    try {
      await within(milliseconds, Promise.all(this.#running), '');
    } catch {
      return this.#running.size === 0;
    }
    return true;
  }

  /** True while nothing runs. */
  get isIdle() {
    return this.#running.size === 0;
  }

  /** Lets the connection go. */
  release() {
    this.#released.happen();
  }

  /** Takes jobs until it is released. */
  run() {
    return keepConnected(this.url, 'jobs', this.log, this.#released, async (connection) => {
      const lanes = await this.#open(connection);
      if (!this.#isTold) this.log.info(`taking jobs of ${this.names.kind} in ${this.names.environment}`);
      this.#isTold = true;
      while (!this.#isStopping && !lanes[0].closed.happened) await this.#step(lanes);
      await anyOf([this.#released, lanes[0].closed]);
      // Behind what was acknowledged last; the connection's own end could overtake that.
      await within(ANSWER, Promise.all(lanes.map(({ channel }) => channel.close())), 'the broker gives no answer');
    });
  }

  /** Takes one job, or waits until there may be one. @param {Lane[]} lanes */
  async #step(lanes) {
    this.#changed.reset();
    if (this.#running.size >= this.atOnce || !this.isLogRead()) return void (await this.#changed.wait(LOOK_INTERVAL));
    const asked = await within(ANSWER, this.#ask(lanes), 'the broker gives no answer');
    if (asked === MOVED) return;
    const delivery = asked ?? (await this.#pushed(lanes));
    if (delivery && !this.#mayBegin()) await this.#giveBack(delivery);
    // What came over a connection that is gone comes again.
    else if (delivery && isHere(delivery)) this.#begin(delivery);
  }

  /**
   * The next job of the first lane, as soon as there is one; nothing where the lanes shall be looked into instead.
   * @param {Lane[]} lanes @returns {Promise<Delivery | undefined>}
   */
  async #pushed(lanes) {
    const [lane] = lanes;
    /** @type {import('amqplib').ConsumeMessage | undefined} */
    let pushed;
    const arrived = new Happening();
    let isOver = false;
    const take = (/** @type {import('amqplib').ConsumeMessage | null} */ message) => {
      if (isOver && message) return lane.channel.reject(message, true);
      pushed ??= message ?? undefined;
      arrived.happen();
    };
    await lane.channel.prefetch(1);
    const { consumerTag } = await within(ANSWER, lane.channel.consume(lane.queue, take), 'the broker gives no answer');
    const goesOn = () => !arrived.happened && this.#mayBegin() && !lane.closed.happened;
    while (goesOn()) {
      await anyOf([arrived, this.#changed, lane.closed], jittered(LOOK_INTERVAL, 0.8, 1.2));
      if (!goesOn() || (await within(ANSWER, mayHaveJobs(lanes), 'the broker gives no answer'))) break;
      // However often they are woken, workers do not look without end; what is pushed does not wait.
      this.#changed.reset();
      await arrived.wait(jittered(SHORTEST_LOOK_INTERVAL, 0.5, 1.5));
    }
    await within(ANSWER, lane.channel.cancel(consumerTag), 'the broker gives no answer');
    isOver = true;
    const message = /** @type {import('amqplib').ConsumeMessage | undefined} */ (pushed);
    if (!message) return undefined;
    this.#turns.took(1, true);
    return (await this.#moved({ message, lane })) ? undefined : { message, lane };
  }

  #mayBegin() {
    return !this.#isStopping && this.isLogRead();
  }

  /** @param {import('amqplib').ChannelModel} connection */
  async #open(connection) {
    /** @type {Lane[]} */
    const lanes = [];
    for (const [end, rank] of LANES) {
      const queue = this.names.queue(end);
      // A channel each: a refusal closes the channel for all jobs that came over it.
      const lane = { queue, rank, ...(await watched(connection.createChannel())) };
      try {
        await within(ANSWER, lane.channel.checkQueue(queue), 'no answer');
        lanes.push(lane);
      } catch (error) {
        const told = `${queue} cannot be read (${words(error)}); ask your operator: bellwire topology, and roles.sh`;
        if (lanes.length === 0) throw new Error(told);
        this.log.warn(told);
      }
    }
    return lanes;
  }

  /** The next job, of the lane whose turn it is. @param {Lane[]} lanes @returns {Promise<Delivery | typeof MOVED | undefined>} */
  async #ask(lanes) {
    for (const rank of this.#turns.ranks()) {
      const { isFirstLast } = this.#turns;
      for (const isFirst of rank === 1 ? [!isFirstLast, isFirstLast] : [false]) {
        const delivery = await (isFirst ? this.#askFirst(lanes) : this.#askOthers(lanes, rank));
        if (delivery) return delivery;
        if (rank === 1 && !isFirst) this.#turns.hadNoneBehindFirst();
      }
      this.#turns.hadNone(rank);
    }
  }

  /** @param {Lane[]} lanes @returns {Promise<Delivery | typeof MOVED | undefined>} */
  async #askFirst(lanes) {
    const delivery = await get(lanes[0]);
    if (!delivery) return undefined;
    // One that is moved as well: a thousand of them would all go before what waits in the other lanes.
    this.#turns.took(1, true);
    // No more than one within the time of one answer, however many wait.
    if (await this.#moved(delivery)) return MOVED;
    return delivery;
  }

  /** @param {Lane[]} lanes @param {number} rank */
  async #askOthers(lanes, rank) {
    for (const [index, lane] of lanes.entries()) {
      if (index === 0 || lane.rank !== rank) continue;
      const delivery = await get(lane);
      if (!delivery) continue;
      lanes.push(...lanes.splice(index, 1));
      this.#turns.took(rank);
      return delivery;
    }
  }

  /** Moves a job that waited for a time to its lane, unless it waits on: all of them come back through the first. @param {Delivery} delivery */
  async #moved(delivery) {
    const job = read(delivery);
    const hasWaited = job && (job.attempts > 0 || job.notBefore !== undefined);
    if (!hasWaited || laneOf(job) === '' || job.delay() > 0) return false;
    return this.#isOpen(laneOf(job)) && this.#move(delivery, job);
  }

  /** @param {string} lane */
  #isOpen(lane) {
    return performance.now() >= (this.#shut.get(lane) ?? 0);
  }

  /** Lets a job go that was not begun; the broker counts what it puts back as an attempt. @param {Delivery} delivery */
  async #giveBack(delivery) {
    const job = read(delivery);
    // A lane that is shut may have taken it all the same: one more copy may be one more job.
    if (job && this.#isOpen(laneOf(job)) && (await this.#move(delivery, job))) return;
    if (isHere(delivery)) delivery.lane.channel.reject(delivery.message, true);
  }

  /** Moves a job to its lane; false if that takes none. @param {Delivery} delivery @param {Job} job */
  async #move(delivery, job) {
    try {
      const properties = { messageId: job.task, contentType: 'application/json', isWanted: () => isHere(delivery) };
      // The broker counts from the beginning there.
      const body = job.withAttempts(job.attempts + redeliveriesOf(delivery.message));
      await this.publisher.publish(this.names.jobs, this.names.kind + laneOf(job), body, properties);
    } catch (error) {
      if (isHere(delivery)) this.#shut.set(laneOf(job), performance.now() + SHUT);
      this.log.info(`a job is not moved to its lane: ${words(error)}`);
      return false;
    }
    delivery.lane.channel.ack(delivery.message);
    return true;
  }

  /** @param {Delivery} delivery */
  #begin(delivery) {
    const running = this.handle(delivery)
      .catch((error) => {
        this.log.error('the worker failed at a job; it comes again', error);
        if (isHere(delivery)) delivery.lane.channel.reject(delivery.message, true);
      })
      .finally(() => {
        this.#running.delete(running);
        this.#changed.happen();
      });
    this.#running.add(running);
  }
}

/** Its job; nothing if it is none, which is told where it is run. @param {Delivery} delivery */
function read({ message }) {
  try {
    return Job.read(message.content);
  } catch {
    return undefined;
  }
}

/** @param {Lane} lane @returns {Promise<Delivery | undefined>} */
async function get(lane) {
  // Looking costs the broker less than asking in vain, which its replicas agree on.
  if ((await ready(lane)) === 0) return undefined;
  const message = await lane.channel.get(lane.queue);
  return message ? { message, lane } : undefined;
}

/** @param {Lane} lane */
const ready = async (lane) => (await lane.channel.checkQueue(lane.queue)).messageCount;

/** @param {Lane[]} lanes */
async function mayHaveJobs(lanes) {
  for (const lane of lanes) if ((await ready(lane)) > 0) return true;
  return false;
}
