/** The texts of `<bellwire-approvals>`, in English. */

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
  /** @param {string} question @param {string} why */
  refused: (question, why) => `“${question}”: ${why}`,
  unloaded: 'The questions could not be loaded',
  again: 'Try again',
};
