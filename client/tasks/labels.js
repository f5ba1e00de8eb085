/** The texts of `<bellwire-tasks>`, in English. */

const number = new Intl.NumberFormat();

export const TASK_LABELS = {
  list: 'Tasks',
  empty: 'Nothing yet. What you start shows up here and keeps itself up to date.',
  states: { queued: 'Waiting', running: 'Running', succeeded: 'Done', failed: 'Failed', cancelled: 'Cancelled' },
  declined: 'Rejected',
  refused: 'Not imported',
  /** @param {{ done: number, of: number, skipped: number }} counts */
  steps: ({ done, of, skipped }) => `${done} of ${of} ${of === 1 ? 'step' : 'steps'}${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  /** A question that waits. @param {string[]} people @param {string} until */
  waits: (people, until) => `Waits for ${people.join(', ')}${until && ` until ${until}`}`,
  /** A time that has not come. @param {string} time */
  begins: (time) => `Begins ${time}`,
  everybody: 'everybody',
  /** @param {string} name of a group */
  group: (name) => `the group ${name}`,
  /** @param {string[]} by @param {number} needed */
  approvals: (by, needed) => (by.length > 0 ? `${by.length} of ${needed} have approved: ${by.join(', ')}` : `${needed} people must approve`),
  /** @param {number} count */
  files: (count) => `${number.format(count)} files`,
  log: 'Log',
  silent: 'It has said nothing.',
  /** @param {number} count */
  leftOut: (count) => `${number.format(count)} ${count === 1 ? 'line' : 'lines'} left out`,
  levels: /** @type {Record<string, string>} */ ({ warning: 'Warning', error: 'Error' }),
  allFiles: 'Download all (ZIP)',
  stepList: 'Steps',
  stepStates: {
    waiting: 'Waiting', running: 'Running', asked: 'Waits for an answer', succeeded: 'Done', failed: 'Failed', skipped: 'Skipped',
    cancelled: 'Cancelled', compensated: 'Undone',
  },
  /** @param {string[]} titles of the steps that a step needs */
  after: (titles) => `(after ${titles.join(', ')})`,
  /** @param {number} done @param {number} of */
  items: (done, of) => `${number.format(done)} of ${number.format(of)}`,
  open: 'Open',
  cancel: 'Cancel',
  /** @param {string} title */
  cancelOf: (title) => `Cancel: ${title}`,
  download: 'Download',
  about: 'About',
  rejected: 'Rejected rows',
  importOthers: 'Import the others',
  /** @param {string} title */
  importOthersOf: (title) => `Import the rows that fit: ${title}`,
  /** @param {string} label @param {string} title */
  linkOf: (label, title) => `${label}: ${title}`,
  /** @param {number} count */
  older: (count) => `Show ${count} older`,
  unloaded: 'The list could not be loaded',
  again: 'Try again',
  /** @param {string} title @param {string} why */
  notCancelled: (title, why) => `“${title}” was not cancelled: ${why}`,
};
