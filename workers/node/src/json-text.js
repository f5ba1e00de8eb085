/** JSON as it was written: what a reader would change (long numbers, the order of members) is kept. */

/** The bytes of memory that gateways count for JSON once it is read, rather too many than too few. @type {Record<string, number>} */
const MEMORY = { '{': 648, '[': 144, ':': 112, ',': 64, '"': 16 };
const VALUE = 32;

/**
 * A value as JSON, where JSON can say it: no NaN becomes null, and no half of a letter is left, which no reader would take.
 * @param {unknown} value
 */
export function written(value) {
  const text = JSON.stringify(value, (name, each) => {
    if (typeof each === 'number' && !Number.isFinite(each)) throw new TypeError(`${name || 'it'} is ${each}, which is no JSON`);
    return each;
  });
  // Halves alone are escaped; whole letters are not.
  return (text ?? 'null').replace(/(\\\\)|\\ud[89a-f][0-9a-f]{2}/g, (_, backslashes) => backslashes ?? '\ufffd');
}

/**
 * Where the value of each member of an object stands in its (valid) JSON; throws for a repeated one.
 * @param {string} text @returns {Map<string, [number, number]>}
 */
export function members(text) {
  const found = new Map();
  let position = skip(text, text.indexOf('{') + 1);
  while (text[position] !== '}') {
    const nameEnd = endOfValue(text, position);
    const name = JSON.parse(text.slice(position, nameEnd));
    const start = skip(text, skip(text, nameEnd) + 1);
    const end = endOfValue(text, start);
    if (found.has(name)) throw new TypeError(`the member ${JSON.stringify(name)} is there twice`);
    found.set(name, [start, end]);
    position = skip(text, end);
    if (text[position] === ',') position = skip(text, position + 1);
  }
  return found;
}

/** The same object with this JSON as the value of a member. @param {string} text @param {string} name @param {string} value */
export function withMember(text, name, value) {
  const place = members(text).get(name);
  if (place) return text.slice(0, place[0]) + value + text.slice(place[1]);
  const start = text.indexOf('{') + 1;
  const comma = text[skip(text, start)] === '}' ? '' : ',';
  return `${text.slice(0, start)}${JSON.stringify(name)}:${value}${comma}${text.slice(start)}`;
}

/** The bytes of memory that its values take once a gateway has read them, and its deepest nesting. @param {string} text */
export function shape(text) {
  let [memory, now, depth] = [VALUE + Buffer.byteLength(text), 0, 0];
  for (let position = 0; position < text.length; position++) {
    const letter = text[position];
    memory += MEMORY[letter] ?? 0;
    if (letter === '"') position = endOfString(text, position) - 1;
    else if (letter === '{' || letter === '[') depth = Math.max(depth, ++now);
    else if (letter === '}' || letter === ']') now--;
  }
  return { memory, depth };
}

/** The end of the string that begins here. @param {string} text @param {number} position */
function endOfString(text, position) {
  for (;;) {
    const quote = text.indexOf('"', position + 1);
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (quote < 0) return text.length;
    if (backslashes % 2 === 0) return quote + 1;
    position = quote;
  }
}

/** @param {string} text @param {number} position */
function skip(text, position) {
  while (' \t\r\n'.includes(text[position])) position++;
  return position;
}

/** The end of the value that begins here. @param {string} text @param {number} position */
function endOfValue(text, position) {
  for (let open = 0; ; ) {
    const letter = text[position];
    if (letter === '"') position = endOfString(text, position);
    else if (letter === '{' || letter === '[') [open, position] = [open + 1, position + 1];
    else if (letter === '}' || letter === ']') [open, position] = [open - 1, position + 1];
    else if (open) {
      position++;
      continue;
    } else while (!',}] \t\r\n'.includes(text[position])) position++;
    if (!open) return position;
  }
}
