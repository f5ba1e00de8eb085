/** What the list of open questions says in words of its own; replace them for another language. */

export const APPROVAL_WORDS = {
  list: 'Waiting for you',
  empty: 'Nobody waits for an answer of yours.',
  approve: 'Approve',
  reject: 'Reject',
  /** @param {string} verb @param {string} question */
  decide: (verb, question) => `${verb}: ${question}`,
  comment: 'Comment (optional)',
  /** @param {string} owner */
  by: (owner) => `started by ${owner}`,
  /** @param {'approve' | 'reject'} decision @param {string} question */
  decided: (decision, question) => `${decision === 'approve' ? 'Approved' : 'Rejected'}: ${question}`,
  /** Why an answer did not count. @param {string} question @param {string} why */
  refused: (question, why) => `“${question}”: ${why}`,
  unloaded: 'The questions could not be loaded',
  again: 'Try again',
};
