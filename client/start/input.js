/** What a worker offers to be started by a form, and the input that comes of a filled form. Pure. */

/**
 * @typedef {'text' | 'integer' | 'number' | 'boolean' | 'date' | 'month' | 'file'} FieldType
 * @typedef {{ path: string, title: string, type: FieldType, default?: unknown, required?: boolean, choices?: unknown[], hint?: string }} Field
 * @typedef {{ name: string, title: string, description?: string, input: Record<string, any>, fields?: Field[] }} Offer
 * @typedef {{ kind: string, title: string, input?: object, offers?: Offer[] }} Described
 */

/** A field's value that cannot be sent; `message` is for the person. */
export class FieldError extends Error {
  name = 'FieldError';
}

/**
 * The value that was written into a field; undefined where it was left empty.
 * @param {FieldType} type @param {string} written
 */
export function valueOf(type, written) {
  const text = written.trim();
  if (text === '') return undefined;
  if (type === 'boolean') return text === 'true';
  if (type !== 'integer' && type !== 'number') return type === 'text' ? written : text;
  const number = Number(text);
  if (!Number.isFinite(number)) throw new FieldError(`“${text}” is not a number`);
  if (type === 'integer' && !Number.isInteger(number)) throw new FieldError(`“${text}” is not a whole number`);
  // Beyond that the browser rounds: another number than was written must not be sent.
  if (Math.abs(number) > Number.MAX_SAFE_INTEGER) throw new FieldError(`“${text}” is too large a number`);
  return number;
}

/**
 * An input: what is always the same, and each value at its path.
 * @param {Offer} offer @param {Iterable<[path: string, value: unknown]>} values undefined ones are left out
 */
export function inputOf(offer, values) {
  const input = structuredClone(offer.input ?? {});
  for (const [path, value] of values) if (value !== undefined) putAt(input, path.split('.'), value);
  return input;
}

/** @param {Record<string, any>} object @param {string[]} path @param {unknown} value */
function putAt(object, [name, ...rest], value) {
  // Own properties by definition: a field named `__proto__` is a field like any other.
  const inner = Object.hasOwn(object, name) ? object[name] : undefined;
  const put = rest.length === 0 ? value : isObject(inner) ? inner : {};
  Object.defineProperty(object, name, { value: put, enumerable: true, configurable: true, writable: true });
  if (rest.length > 0) putAt(put, rest, value);
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
