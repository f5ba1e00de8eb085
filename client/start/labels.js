/** The texts of `<bellwire-start>`, in English. */

const number = new Intl.NumberFormat();

export const START_LABELS = {
  empty: 'There is nothing to start here yet. Reports, imports and workflows show up once they are defined.',
  none: '—',
  choose: 'Choose…',
  yes: 'Yes',
  no: 'No',
  required: 'required',
  start: 'Start',
  stop: 'Stop',
  /** @param {string} name @param {number} fraction from 0 to 1 */
  uploading: (name, fraction) => `Uploading ${name}: ${number.format(Math.round(fraction * 100))} %`,
  stopped: 'The upload was stopped.',
  /** @param {string} title */
  started: (title) => `“${title}” has been started.`,
  /** @param {string} field @param {string} why */
  wrong: (field, why) => `${field}: ${why}`,
  unconnected: 'not connected to the gateway',
  unloaded: 'What can be started could not be loaded',
  again: 'Try again',
};
