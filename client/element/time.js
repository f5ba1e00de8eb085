/** Times in the user's language. */

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const point = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** An instant, such as "5 Dec 2026, 10:00"; empty if it is none. @param {string | undefined} instant */
export function pointInTime(instant) {
  const time = Date.parse(instant ?? '');
  return Number.isFinite(time) ? point.format(time) : '';
}

/**
 * The age of an instant, such as "2 minutes ago".
 * @param {string | undefined} instant
 */
export function timeAgo(instant, now = Date.now()) {
  const seconds = Math.round((Date.parse(instant ?? '') - now) / 1000);
  if (!Number.isFinite(seconds)) return '';
  if (seconds > -5) return relative.format(0, 'second');
  if (seconds > -60) return relative.format(seconds, 'second');
  if (seconds > -3600) return relative.format(Math.trunc(seconds / 60), 'minute');
  if (seconds > -86400) return relative.format(Math.trunc(seconds / 3600), 'hour');
  return relative.format(Math.trunc(seconds / 86400), 'day');
}
