/** Browsers on every wire, each of another user, by clients that we did not write. */

import { connect as byEventSource } from '../clients/eventsource.js';
import { connect as bySignalR } from '../clients/node.js';
import { signToken, uniqueUser } from '../browser/pods/pods.js';

const SIGNALR = { comesBack: 'wrapper', serverTimeout: 5_000 };
/** How each kind of browser connects. */
export const WIRES = {
  'server-sent events': (asked) => byEventSource(asked),
  'WebSocket, JSON': (asked) => bySignalR({ ...asked, ...SIGNALR, transport: 'WebSockets', encoding: 'JSON' }),
  'WebSocket, MessagePack': (asked) => bySignalR({ ...asked, ...SIGNALR, transport: 'WebSockets', encoding: 'MessagePack' }),
  'hub over server-sent events': (asked) => bySignalR({ ...asked, ...SIGNALR, transport: 'ServerSentEvents', encoding: 'JSON' }),
  'long polling': (asked) => bySignalR({ ...asked, ...SIGNALR, transport: 'LongPolling', encoding: 'JSON' }),
};

export class Browser {
  /** The accepted and other events that it was given: `{ id, publisher, number, at }`. */
  heard = [];
  /** How often it was told that events are lost. */
  gaps = 0;
  /** When it began to count. */
  since = Date.now();
  #client;

  /** Opens one of this wire to this address, and waits until it is there. */
  static async open(wire, url) {
    const browser = new Browser();
    browser.wire = wire;
    browser.user = uniqueUser('chaos');
    const token = signToken(browser.user, { groups: ['chaos'] });
    const asked = { hub: `${url}/hub`, events: `${url}/events`, tokens: `data:text/plain,${token}` };
    browser.#client = await WIRES[wire]({ ...asked, tell: browser.#tell });
    return browser;
  }

  clear() {
    [this.heard, this.gaps, this.since] = [[], 0, Date.now()];
  }

  get isConnected() {
    return this.state === 'connected';
  }

  async stop() {
    await this.#client.stop();
  }

  #tell = (kind, word) => {
    if (kind === 'event' && word.source === '/tests/chaos') this.heard.push({ id: word.id, ...word.data, at: Date.now() });
    if (kind === 'gap') this.gaps += 1;
    if (kind === 'state') this.state = word.state;
  };
}
