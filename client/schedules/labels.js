/** The texts of `<bellwire-schedules>`, in English. */

export const SCHEDULE_LABELS = {
  list: 'By themselves',
  empty: 'Nothing of yours starts by itself.',
  pause: 'Pause',
  resume: 'Resume',
  run: 'Start now',
  /** @param {string} verb @param {string} title */
  act: (verb, title) => `${verb}: ${title}`,
  /** @param {string} time */
  next: (time) => `next ${time}`,
  /** @param {string} by */
  paused: (by) => `paused by ${by}`,
  /** @param {string} age */
  last: (age) => `last started ${age}`,
  /** @param {string[]} recipients */
  goesTo: (recipients) => `goes to ${recipients.join(', ')}`,
  /** @param {string} reason */
  leftOut: (reason) => `left out once: ${reason}`,
  unloaded: 'What starts by itself could not be loaded',
  again: 'Try again',
};
