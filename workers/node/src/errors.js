/** How a function says that it did not do its work. */

/** Trying again will not help; the owner reads the message. `reason` is one word for programs. */
export class Permanent extends Error {
  /** @param {string} message @param {{ reason?: string, cause?: unknown }} [options] */
  constructor(message, { reason = 'input', cause } = {}) {
    super(message, { cause });
    this.name = 'Permanent';
    this.reason = reason;
  }
}

/**
 * It may work later: it is tried again after about so many seconds (1, 10, 60 or 600), else after growing pauses.
 * The owner reads the message should it never work; the cause is for the log alone.
 */
export class Retry extends Error {
  /** @param {string} message @param {{ after?: number, cause?: unknown }} [options] */
  constructor(message, { after, cause } = {}) {
    super(message, { cause });
    this.name = 'Retry';
    this.after = after;
  }
}

/** The run saw that it shall stop, and left no effect. The reason of a task's aborted signal is one. */
export class Cancelled extends Error {
  constructor(message = 'the run shall leave no effect') {
    super(message);
    this.name = 'Cancelled';
  }
}

/** A delivery that is not run here; the text says why. */
export class NotAJob extends Error {}

/** The broker did not take what was published; it may later. */
export class Unavailable extends Error {}

/** More than an event may hold. */
export class TooLarge extends Error {}

/** An error in words, whatever was thrown. @param {unknown} error */
export const words = (error) => (error instanceof Error ? error.message || error.name : String(error));
