/** nginx and HAProxy, each by a file of infra/proxies as it stands there: only ports, pods, certificates and passwords are the test's. */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { until } from '../browser/browser.js';
import { pods } from '../browser/pods/pods.js';

const FILES = new URL('../../infra/proxies/', import.meta.url);
// Its processes must read the folder of the test.
const ROOT = process.getuid() === 0 ? 'user root;' : '';
const PROGRAMS = {
  nginx: (file, folder) => ['/usr/sbin/nginx', '-c', file, '-e', 'stderr', '-p', folder, '-g', `daemon off; pid ${folder}/pid; ${ROOT}`],
  haproxy: (file) => ['/usr/sbin/haproxy', '-db', '-f', file],
};

export const PASSWORD = { username: 'site', password: 'open sesame' };

export class Proxy {
  #folder;
  #process;
  #ended;
  #said = '';

  /** Starts the program of this name with this file; its address is `https:` if the file names a certificate. */
  static async start(program, name) {
    const proxy = new Proxy();
    proxy.port = await freePort();
    const folder = (proxy.#folder = await mkdtemp(join(tmpdir(), 'bellwire-proxy-')));
    const written = await readFile(new URL(name, FILES), 'utf8');
    const file = join(folder, name);
    await writeFile(file, written
      .replaceAll('/etc/bellwire/', `${folder}/`)
      .replaceAll('/var/log/nginx/', `${folder}/`)
      .replaceAll(/127\.0\.0\.1:(8443|8080)\b/g, `127.0.0.1:${proxy.port}`)
      .replaceAll('127.0.0.1:8081', new URL(pods[0]).host)
      .replaceAll('127.0.0.1:8082', new URL(pods[1]).host));
    await makeSecrets(folder);
    const [path, ...args] = PROGRAMS[program](file, folder);
    proxy.#process = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const output of [proxy.#process.stdout, proxy.#process.stderr]) output.setEncoding('utf8').on('data', (words) => (proxy.#said += words));
    proxy.#ended = once(proxy.#process, 'exit');
    proxy.url = `${written.includes('/etc/bellwire/tls') || written.includes('both.pem') ? 'https' : 'http'}://127.0.0.1:${proxy.port}`;
    await until(() => proxy.#listens(), Boolean, 10_000);
    return proxy;
  }

  /** What it has logged of requests: nginx into a file, HAProxy to its output. */
  async log() {
    return this.#said + (await readFile(join(this.#folder, 'access.log'), 'utf8').catch(() => ''));
  }

  async stop() {
    this.#process.kill('SIGTERM');
    await this.#ended;
    await rm(this.#folder, { recursive: true });
  }

  async #listens() {
    if (this.#process.exitCode !== null) throw new Error(`the proxy has ended: ${this.#said}`);
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => resolve(true) || socket.destroy()).on('error', () => resolve(false));
    });
  }
}

/** A certificate as both programs want it, and a file of passwords. */
async function makeSecrets(folder) {
  const run = promisify(execFile);
  const [key, certificate] = [join(folder, 'tls.key'), join(folder, 'tls.pem')];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [...made, '-subj', '/CN=bellwire.example', '-keyout', key, '-out', certificate]);
  await writeFile(join(folder, 'both.pem'), (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')));
  const { stdout } = await run('openssl', ['passwd', '-apr1', PASSWORD.password]);
  await writeFile(join(folder, 'passwords'), `${PASSWORD.username}:${stdout.trim()}\n`);
}

/** Below the ports of outgoing connections. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await once(server, 'listening').then(() => true, () => false);
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
