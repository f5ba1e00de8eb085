/** Publishes over a connection of its own, and returns once the broker has the message. */

import { close, connect, watched } from './broker.js';
import { Unavailable, words } from './errors.js';
import { within } from './waiting.js';

/** Limit for one publication, connecting included. */
const TIMEOUT = 5_000;

/** @typedef {{ messageId: string, contentType: string, headers?: Record<string, unknown>, expires?: number, isWanted?: () => boolean }} Properties */
/**
 * @typedef {{ channel: import('amqplib').ConfirmChannel, closed: import('./waiting.js').Happening, reason: { error?: Error },
 *   returned: Map<string, () => void> }} Exchange
 */

export class Publisher {
  #url;
  /** @type {Promise<import('amqplib').ChannelModel> | undefined} */
  #connecting;
  /** @type {Map<string, Promise<Exchange>>} */
  #exchanges = new Map();
  #published = 0;

  /** @param {string} url */
  constructor(url) {
    this.#url = url;
  }

  /**
   * Publishes a message that outlives the broker's restart, unless it is wanted no more once that is possible; throws [`Unavailable`], and
   * then it may be there all the same.
   * @param {string} exchange @param {string} key @param {Buffer} body @param {Properties} properties
   */
  async publish(exchange, key, body, properties) {
    let connecting;
    try {
      await within(TIMEOUT, (async () => {
        const open = await this.#exchange(exchange);
        connecting = this.#connecting;
        if (properties.isWanted?.() === false) throw new Unavailable('it is not wanted any more');
        await this.#confirmed(open, exchange, key, body, properties);
      })(), `no confirm within ${TIMEOUT / 1000} seconds`);
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      // Whatever kept it from answering, the next publication uses a new connection. It is not waited for: one that is not there yet
      // may never be.
      void this.#discard(connecting ?? this.#connecting);
      throw new Unavailable(`${exchange}: ${words(error)}`);
    }
  }

  /** Ends the connection. */
  close() {
    return this.#discard(this.#connecting);
  }

  /** @param {Exchange} open @param {string} exchange @param {string} key @param {Buffer} body @param {Properties} properties */
  #confirmed({ channel, reason, returned }, exchange, key, body, { messageId, contentType, headers, expires }) {
    return new Promise((resolve, reject) => {
      // Not the message's id, which may be on its way twice.
      const number = String(++this.#published);
      let isReturned = false;
      returned.set(number, () => (isReturned = true));
      const options = {
        contentType, headers, persistent: true, messageId: messageId.slice(0, 255), timestamp: Math.floor(Date.now() / 1000),
        correlationId: number,
        // Without it a message that no queue is bound for would be confirmed and lost.
        mandatory: true,
        ...(expires !== undefined && { expiration: String(Math.round(expires)) }),
      };
      channel.publish(exchange, key, body, options, (refused) => {
        returned.delete(number);
        if (isReturned) reject(new Unavailable(`no queue is bound to ${exchange} for '${key}'; ask your operator (bellwire topology)`));
        else if (refused && !/clos/.test(refused.message)) reject(new Unavailable(`the queue behind ${exchange} for '${key}' is full`));
        else if (refused) reject(reason.error ?? refused);
        else resolve(undefined);
      });
    });
  }

  /** A channel for each exchange: a refusal closes the channel for all that is published over it. @param {string} name */
  async #exchange(name) {
    this.#connecting ??= this.#connect();
    const connection = await this.#connecting;
    const known = await this.#exchanges.get(name);
    if (known && !known.closed.happened) return known;
    const opening = watched(connection.createConfirmChannel()).then((open) => {
      const returned = new Map();
      open.channel.on('return', (message) => returned.get(message.properties.correlationId)?.());
      return { ...open, returned };
    });
    this.#exchanges.set(name, opening);
    return opening;
  }

  #connect() {
    const connecting = connect(this.#url, 'publish').then((connection) => {
      // This one alone: another may have taken its place while it came about.
      connection.once('close', () => void this.#discard(connecting));
      return connection;
    });
    return connecting;
  }

  /** @param {Promise<import('amqplib').ChannelModel> | undefined} connecting */
  async #discard(connecting) {
    if (connecting === undefined || connecting !== this.#connecting) return;
    this.#connecting = undefined;
    this.#exchanges.clear();
    const connection = await connecting.catch(() => undefined);
    if (connection) await close(connection);
  }
}
