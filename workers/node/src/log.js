/** Where a worker writes what it has to say; the console unless told otherwise. */

/** @typedef {{ info(words: string): void, warn(words: string, error?: unknown): void, error(words: string, error?: unknown): void }} Log */

/** @type {Log} */
export const consoleLog = {
  info: (words) => console.error(`INFO ${words}`),
  warn: (words, error) => console.error(`WARNING ${words}`, ...(error === undefined ? [] : [error])),
  error: (words, error) => console.error(`ERROR ${words}`, ...(error === undefined ? [] : [error])),
};
