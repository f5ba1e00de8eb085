/** Somebody's site, of another origin than the pods: it serves pages and gives its people their tokens. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

import { signToken } from '../browser/pods/pods.js';

const MODULES = fileURLToPath(new URL('node_modules/', import.meta.url));
const PROGRAMS = fileURLToPath(new URL('programs/', import.meta.url));
const FILES = {
  '/signalr.js': `${MODULES}@microsoft/signalr/dist/browser/signalr.js`,
  '/signalr-protocol-msgpack.js': `${MODULES}@microsoft/signalr-protocol-msgpack/dist/browser/signalr-protocol-msgpack.js`,
  '/javascript.js': `${PROGRAMS}javascript.js`,
  '/event-source-polyfill.js': `${MODULES}event-source-polyfill/src/eventsource.js`,
  // Its modules name each other without `.js`.
  '/fetch-event-source/index': `${MODULES}@microsoft/fetch-event-source/lib/esm/index.js`,
  '/fetch-event-source/fetch': `${MODULES}@microsoft/fetch-event-source/lib/esm/fetch.js`,
  '/fetch-event-source/parse': `${MODULES}@microsoft/fetch-event-source/lib/esm/parse.js`,
  '/streams.js': `${PROGRAMS}streams.js`,
};
const SCRIPTS = ['/signalr.js', '/signalr-protocol-msgpack.js', '/event-source-polyfill.js'];
const PAGE = `<!doctype html><title>a site</title>${SCRIPTS.map((src) => `<script src="${src}"></script>`).join('')}`;

export class Site {
  /** Whose tokens end early, and when. */
  #early = new Map();
  #pages = new Map([['/', PAGE]]);

  static async start(port = Number(process.env.BELLWIRE_TEST_SITE_PORT)) {
    const site = new Site();
    site.server = createServer((request, response) => site.#answer(request, response)).listen(port, 'localhost');
    await once(site.server, 'listening');
    site.url = `http://localhost:${site.server.address().port}`;
    return site;
  }

  /** Somebody's tokens end together, so many seconds after the first of them is asked for, until `goodAgain`. */
  endEarly(user, seconds) {
    this.#early.set(user, { seconds });
  }

  /** From now on somebody's tokens are good for long. */
  goodAgain(user) {
    this.#early.delete(user);
  }

  /** Where somebody's tokens are. */
  tokensOf(user) {
    return `${this.url}/my/token?user=${user}`;
  }

  /** Serves a page to somebody who is signed in there. */
  publish(path, html) {
    this.#pages.set(path, html);
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  #token(user) {
    const early = this.#early.get(user);
    if (!early) return signToken(user);
    early.end ??= Math.ceil(Date.now() / 1000) + early.seconds;
    return signToken(user, { exp: early.end });
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    const user = url.searchParams.get('user') ?? /\buser=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
    const send = (type, body) => response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
    if (url.pathname === '/my/token') return send('text/plain', this.#token(user));
    if (this.#pages.has(url.pathname)) return send('text/html', this.#pages.get(url.pathname));
    const file = FILES[url.pathname];
    return file ? send('text/javascript', await readFile(file)) : response.writeHead(404).end();
  }
}
