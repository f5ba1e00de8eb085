/**
 * nginx, HAProxy and Envoy, each by a file of infra/proxies as it stands there: only ports, pods, certificates and passwords are
 * the test's. And a pod that speaks TLS itself, without any of them.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { createServer } from 'node:net';
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
  envoy: (file) => [process.env.BELLWIRE_TEST_ENVOY, '-c', file, '--concurrency', '1', '--log-level', 'warning', '--use-dynamic-base-id', '--file-flush-interval-msec', '100'],
  gateway: () => [process.env.BELLWIRE_TEST_GATEWAY, '--config', process.env.BELLWIRE_TEST_CONFIG],
};

/** The cluster's pods, as a proxy reaches them. */
const ADMINS = (process.env.BELLWIRE_TEST_ADMINS ?? '').split(',');
const OF_CLUSTER = pods.map((url, index) => ({ port: new URL(url).port, adminPort: new URL(ADMINS[index]).port }));

/** The settings of a pod that speaks TLS itself. */
const settingsOf = (folder, port, adminPort) => ({
  BELLWIRE_BACKPLANE__URL: process.env.BELLWIRE_TEST_GATEWAY_URL,
  BELLWIRE_GATEWAY__LISTEN: `127.0.0.1:${port}`,
  BELLWIRE_GATEWAY__ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
  BELLWIRE_GATEWAY__TLS__CERTIFICATE_FILE: join(folder, 'tls.pem'),
  BELLWIRE_GATEWAY__TLS__KEY_FILE: join(folder, 'tls.key'),
  BELLWIRE_LOG__FILTER: 'info,gateway=debug',
});

export const PASSWORD = { username: 'site', password: 'open sesame' };

export class Proxy {
  #folder;
  #process;
  #ended;
  #said = '';
  #ready;

  /**
   * Starts the program of this name with this file, if it needs one, in front of these pods; its address is `https:` if the
   * file names a certificate.
   */
  static async start(program, name, [first, second] = OF_CLUSTER) {
    const proxy = new Proxy();
    proxy.port = await freePort();
    const folder = (proxy.#folder = await mkdtemp(join(tmpdir(), 'bellwire-proxy-')));
    if (!name) {
      const adminPort = await freePort();
      proxy.#ready = `http://127.0.0.1:${adminPort}/readyz`;
      return proxy.#begin(program, undefined, settingsOf(folder, proxy.port, adminPort));
    }
    const written = await readFile(new URL(name, FILES), 'utf8');
    const file = join(folder, name);
    await writeFile(file, written
      .replaceAll('/etc/bellwire/', `${folder}/`)
      .replaceAll('/var/log/nginx/', `${folder}/`)
      .replaceAll(/(127\.0\.0\.1:|port_value: )(8443|8080)\b/g, `$1${proxy.port}`)
      .replaceAll(/(127\.0\.0\.1:|port_value: )8081\b/g, `$1${first.port}`)
      .replaceAll(/(127\.0\.0\.1:|port_value: )8082\b/g, `$1${second.port}`)
      .replaceAll(/\bport 9091\b/g, `port ${first.adminPort}`)
      .replaceAll(/\bport 9092\b/g, `port ${second.adminPort}`));
    return proxy.#begin(program, file, {}, written.includes('/etc/bellwire/tls') || written.includes('both.pem'));
  }

  async #begin(program, file, settings, isSecure = true) {
    await makeSecrets(this.#folder);
    const [path, ...args] = PROGRAMS[program](file, this.#folder);
    this.#process = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...settings } });
    for (const output of [this.#process.stdout, this.#process.stderr]) output.setEncoding('utf8').on('data', (words) => (this.#said += words));
    this.#ended = once(this.#process, 'exit');
    this.url = `http${isSecure ? 's' : ''}://127.0.0.1:${this.port}`;
    await until(() => this.#answers(), Boolean, 30_000);
    return this;
  }

  /** What it has logged of requests: nginx into a file, the others to their output. */
  async log() {
    return this.#said + (await readFile(join(this.#folder, 'access.log'), 'utf8').catch(() => ''));
  }

  async stop() {
    this.#process.kill('SIGTERM');
    await this.#ended;
    await rm(this.#folder, { recursive: true });
  }

  /** Whether it gives the page, and a pod says that it is ready. */
  async #answers() {
    if (this.#process.exitCode !== null) throw new Error(`the proxy has ended: ${this.#said}`);
    const isGood = (url) => new Promise((resolve) => {
      const get = url.startsWith('https:') ? requestHttps : requestHttp;
      get(url, { rejectUnauthorized: false }, (answer) => resolve(answer.resume().statusCode < 500)).on('error', () => resolve(false)).end();
    });
    return (!this.#ready || (await isGood(this.#ready))) && (await isGood(this.url));
  }
}

/** A certificate as each program wants it, and a file of passwords. */
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
export async function freePort() {
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
