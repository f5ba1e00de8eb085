/** The names by which tabs and elements tell toasts apart. */

import { eventKey } from './event.js';

/** @import { BellwireEvent } from './event.js' */

/** The name of an event's toast: one per task, for its progress and its end. @param {BellwireEvent} event */
export function toastName(event) {
  // Only an event of the task itself takes the place of its toast.
  const id = event.type.startsWith('bellwire.task.') ? event.data?.task?.id : undefined;
  return typeof id === 'string' ? `task/${id}` : eventKey(event);
}
