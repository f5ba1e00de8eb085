/** The texts of `<bellwire-toasts>`, in English. */

export const TOAST_LABELS = {
  region: 'Notifications',
  // A level is also a text: colour is never the only sign.
  info: 'Information',
  success: 'Success',
  warning: 'Warning',
  error: 'Error',
  approve: 'Approve',
  reject: 'Reject',
  /** The full name of a button. @param {string} verb @param {string} title */
  decide: (verb, title) => `${verb}: ${title}`,
  asks: 'Approve or reject',
  /** @param {string} owner @param {string} title */
  asking: (owner, title) => `${owner} asks for approval: ${title}`,
  /** A question that is told again, by why. @type {Record<'reminder' | 'escalation', (asking: string) => string>} */
  again: { reminder: (asking) => `Reminder: ${asking}`, escalation: (asking) => `Still open: ${asking}` },
  look: 'Look at it',
  /** @param {string} title */
  lookAt: (title) => `Look at it: ${title}`,
  unlisted: 'it is answered on the page with the list of what waits for you',
  /** @param {'approve' | 'reject'} decision @param {string} title */
  decided: (decision, title) => `${decision === 'approve' ? 'Approved' : 'Rejected'}: ${title}`,
  unconnected: 'not connected to the gateway',
  /** @param {string} title */
  dismiss: (title) => `Dismiss: ${title}`,
  /** @param {number} count */
  more: (count) => `${count} earlier`,
  /** @param {number} count */
  fresh: (count) => `${count} new`,
  /** A burst, such as "12 reports are ready". @param {number} count @param {string} kind @param {string} state */
  tasks: (count, kind, state) => `${count} ${kind} ${{ succeeded: 'are ready', failed: 'failed', cancelled: 'were cancelled' }[state] ?? state}`,
  /** @param {number} count */
  messages: (count) => `${count} messages`,
  /** @param {string[]} titles @param {number} others */
  list: (titles, others) => (others > 0 ? `${titles.join(', ')} and ${others} more` : titles.join(', ')),
};
