/**
 * What the broker does not carry: large inputs and results, the owner's files, and the catalogue of functions.
 *
 * The storage of gateways and workers is a folder that they share; `[storage] url` names it.
 */

import { createHash, randomInt } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { Permanent } from './errors.js';

const MOST_INPUT_BYTES = 16 << 20;
const MOST_SEGMENT_BYTES = 200;

/** A shared folder. */
export class Storage {
  #root;

  /** @param {string} url */
  constructor(url) {
    const path = /^file:(?:\/\/(?=\/))?([^]+)$/.exec(url)?.[1];
    if (!path || path.startsWith('//') || /^\/*$/.test(path)) throw new TypeError("files: write file:PATH, the folder of the gateways' [storage] url");
    this.#root = path;
  }

  /**
   * Where a file of an owner lies, `<id>/<name>`, as the upload answered.
   * @param {string} environment @param {string} owner @param {string} key
   */
  path(environment, owner, key) {
    const [, id, name] = /^([A-Za-z0-9-]{1,64})\/([^/\\\p{Cc}]+)$/u.exec(key) ?? [];
    if (!id || name === '.' || name === '..' || Buffer.byteLength(name) > 200) {
      throw new Permanent(`${JSON.stringify(key.slice(0, 100))} is no file: <id>/<name>, as the upload answered it`);
    }
    return join(this.#root, environment, segment(owner), id, segment(name));
  }

  /**
   * The JSON of a stored input; another error than `Permanent` means that it cannot be read now.
   * @param {string} environment @param {string} owner @param {string} key
   */
  async readInput(environment, owner, key) {
    const file = await open(this.path(environment, owner, key)).catch((error) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
      throw new Permanent(`its stored input ${key} is not there any more; start it again`);
    });
    try {
      if ((await file.stat()).size > MOST_INPUT_BYTES) throw new Permanent(`its stored input ${key} has more than ${MOST_INPUT_BYTES} bytes`);
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await file.readFile());
    } catch (error) {
      if (error instanceof TypeError) throw new Permanent(`its stored input ${key} is no JSON: it is not UTF-8`);
      throw error;
    } finally {
      await file.close();
    }
  }

  /**
   * Stores a result, the same however often; answers its key.
   * @param {string} environment @param {string} owner @param {string} task @param {string} result
   */
  async writeResult(environment, owner, task, result) {
    const key = `${task}/result.json`;
    await replace(this.path(environment, owner, key), result);
    return key;
  }

  /** Puts the description of a function into the catalogue. @param {string} environment @param {string} kind @param {string} description */
  register(environment, kind, description) {
    return replace(join(this.#root, environment, '~functions', `${kind}.json`), description);
  }
}

/** The path of a file on the gateway. @param {string} key */
export const href = (key) => `/api/files/${key.split('/').map(encoded).join('/')}`;

/** @param {string} text */
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

/** Writes a file that is there whole or not at all, and outlives a power cut. @param {string} path @param {string} content */
async function replace(path, content) {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  // Gateways remove what is called so once it is a day old.
  const unfinished = join(folder, `${basename(path)}#${randomInt(10 ** 9)}`);
  try {
    const file = await open(unfinished, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  const opened = await open(folder);
  await opened.sync().finally(() => opened.close());
}

/** A text as one part of a path: all but a-z, 0-9, '-', '_' and '.' percent-encoded. @param {string} text */
function segment(text) {
  const letters = [...Buffer.from(text)].map((byte) => {
    const letter = String.fromCharCode(byte);
    return /[a-z0-9_.-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  const part = letters.join('');
  if (part.length > MOST_SEGMENT_BYTES) return `~${createHash('sha256').update(text).digest('hex')}`;
  return part.startsWith('.') ? `%2E${part.slice(1)}` : part || '~';
}
