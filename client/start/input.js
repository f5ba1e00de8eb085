/** The input of a task from the values of a form. */

/** @import { FieldType, Offer } from '../module/api.js' */

/** A field's value that cannot be sent; `message` is for the person. */
export class FieldError extends Error {
  name = 'FieldError';
}

/**
 * The value of a field's text; undefined if it is empty.
 * @param {FieldType} type @param {string} text
 */
export function parseValue(type, text) {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (type === 'boolean') return trimmed === 'true';
  if (type !== 'integer' && type !== 'number') return type === 'text' ? text : trimmed;
  const number = Number(trimmed);
  if (!Number.isFinite(number)) throw new FieldError(`“${trimmed}” is not a number`);
  if (type === 'integer' && !Number.isInteger(number)) throw new FieldError(`“${trimmed}” is not a whole number`);
  // Beyond that the browser rounds, and would send another number.
  if (Math.abs(number) > Number.MAX_SAFE_INTEGER) throw new FieldError(`“${trimmed}” is too large a number`);
  return number;
}

/**
 * The offer's fixed input with each value at its path.
 * @param {Offer} offer @param {Iterable<[path: string, value: unknown]>} values without those that are undefined
 */
export function buildInput(offer, values) {
  const input = structuredClone(offer.input ?? {});
  for (const [path, value] of values) if (value !== undefined) setPath(input, path.split('.'), value);
  return input;
}

/** @param {Record<string, unknown>} object @param {string[]} path @param {unknown} value */
function setPath(object, [name, ...rest], value) {
  // Own properties only: a field may be named `__proto__`.
  const inner = Object.hasOwn(object, name) ? object[name] : undefined;
  const nested = isObject(inner) ? inner : {};
  const own = rest.length === 0 ? value : nested;
  Object.defineProperty(object, name, { value: own, enumerable: true, configurable: true, writable: true });
  if (rest.length > 0) setPath(nested, rest, value);
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
