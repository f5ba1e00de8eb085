/** Events as the gateway delivers them, and the toasts in them. */

/** @import { StepRef } from './approval.js' */
/** @import { Task } from './task.js' */

/**
 * A CloudEvent as the gateway delivers it.
 * @typedef {object} BellwireEvent
 * @property {string} id
 * @property {string} source identifies the event together with `id`
 * @property {string} type such as `bellwire.task.succeeded`
 * @property {string} environment
 * @property {string} [cursor]
 * @property {string} [subject]
 * @property {string} [time]
 * @property {string} [expirytime]
 * @property {{ task?: Task, toast?: Toast, [more: string]: unknown }} [data]
 */

/**
 * A notification for a person. All of it is text.
 * @typedef {object} Toast
 * @property {'info' | 'success' | 'warning' | 'error'} level
 * @property {string} title
 * @property {string} [body]
 * @property {{ label: string, href: string }} [action]
 * @property {StepRef} [decision] the approval that its buttons decide
 * @property {{ hasMore: boolean, hasForm: boolean }} [asks] what the approval has besides its question; set by the toasts themselves
 */

/**
 * The key that identifies an event. What any publisher may say never has the key of what gateways and workers alone say.
 * @param {BellwireEvent} event
 */
export function eventKey({ source, id, type }) {
  const isReserved = type?.startsWith('bellwire.') && type !== 'bellwire.message';
  return `${isReserved ? 'bellwire' : ''}\u0000${source}\u0000${id}`;
}

/** True once an event must not be shown any more. @param {BellwireEvent} event @param {number} now on the gateway's clock */
export function isExpired(event, now) {
  return event.expirytime !== undefined && Date.parse(event.expirytime) <= now;
}
