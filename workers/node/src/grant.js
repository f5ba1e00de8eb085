/** The grant of a job: a gateway's word on whose job it is. */

import { createPublicKey, verify } from 'node:crypto';

import { NotAJob } from './errors.js';

/** @typedef {import('node:crypto').KeyObject} KeyObject */

/** A public key of gateways, as `bellwire key` prints it. @param {string} text @returns {KeyObject} */
export function readKey(text) {
  const x = String(text).trim();
  if (decoded(x)?.length !== 32) {
    throw new TypeError('it is no public key of gateways: 43 letters of base64url, as `bellwire key` prints them');
  }
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/**
 * Throws unless a gateway of this environment has granted the job to its owner.
 * @param {import('./job.js').Job} job @param {string} environment @param {KeyObject[]} keys
 */
export function check(job, environment, keys) {
  const { grant } = job;
  if (!grant) throw new NotAJob('no gateway has signed it, so nothing shows whose job it is');
  const signature = decoded(grant.signature);
  const text = signedText(job, grant, environment);
  if (!signature || !keys.some((key) => verify(null, text, key, signature))) {
    throw new NotAJob('its grant was not signed by a gateway of this environment for this owner and these groups');
  }
  const isOwn = grant.task === job.task && grant.kind === job.kind && grant.parent === job.parent && grant.nanoseconds === job.nanoseconds;
  // A workflow's run may have jobs of every kind done for its owner: its steps carry the grant of the run.
  const isStep = grant.kind === 'workflows' && job.parent !== undefined;
  if (!isOwn && !isStep) throw new NotAJob('its grant is for another job');
}

/** @param {import('./job.js').Job} job @param {import('./job.js').Grant} grant @param {string} environment */
function signedText(job, grant, environment) {
  const groups = job.groups.map((group) => Buffer.from(group)).sort(Buffer.compare);
  const parents = grant.parent === undefined ? [] : [grant.parent];
  return Buffer.concat([
    ...['bellwire job', environment, grant.task, grant.kind, job.owner].map(field),
    length(groups.length), ...groups.map(field),
    length(parents.length), ...parents.map(field),
    field(String(grant.nanoseconds)),
  ]);
}

/** @param {number} number */
function length(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/** @param {string | Buffer} text */
function field(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([length(bytes.length), bytes]);
}

/** Base64url without padding, and nothing that only looks like it. @param {string} text */
function decoded(text) {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
