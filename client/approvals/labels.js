/** The texts of `<bellwire-approvals>`, in English. */

import { START_LABELS } from '../start/labels.js';

export const APPROVAL_LABELS = {
  list: 'Waiting for you',
  empty: 'Nobody waits for an answer of yours.',
  approve: 'Approve',
  reject: 'Reject',
  /** @param {string} verb @param {string} question */
  decide: (verb, question) => `${verb}: ${question}`,
  comment: 'Comment (optional)',
  /** @param {string} owner */
  by: (owner) => `started by ${owner}`,
  /** @param {string} time */
  until: (time) => `until ${time}`,
  /** @param {string[]} by @param {number} needed */
  approvals: (by, needed) => (by.length > 0 ? `${by.length} of ${needed} have approved: ${by.join(', ')}` : `${needed} people must approve`),
  files: 'Files',
  /** @param {string} name */
  download: (name) => `Download: ${name}`,
  form: START_LABELS,
  /** @param {string} question @param {string} why */
  refused: (question, why) => `“${question}”: ${why}`,
  unloaded: 'The questions could not be loaded',
  again: 'Try again',
};
