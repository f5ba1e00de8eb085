/** Icons, one shape per level and state, so that colour is never the only sign. */

/** Paths on a grid of 20 by 20, drawn with a stroke. @type {Record<string, string>} */
const SHAPES = {
  info: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15M10 9.2v4.4M10 6.4v.1',
  success: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15M6.7 10.3l2.3 2.3 4.4-4.9',
  warning: 'M10 3 1.9 16.6h16.2L10 3M10 8v4M10 14.1v.1',
  error: 'M6.9 2.5h6.2l4.4 4.4v6.2l-4.4 4.4H6.9l-4.4-4.4V6.9l4.4-4.4M7.5 7.5l5 5M12.5 7.5l-5 5',
  queued: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15M10 6v4.2l2.8 1.7',
  running: 'M10 2.5a7.5 7.5 0 1 1-7.2 5.4',
  cancelled: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15M4.8 15.2 15.2 4.8',
  asked: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15M7.7 7.9a2.3 2.3 0 1 1 3.4 2c-.8.5-1.1.9-1.1 1.8M10 13.9v.1',
  rejected: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15M6 10h8',
  skipped: 'M4 5.5l5.5 4.5L4 14.5v-9M10.5 5.5 16 10l-5.5 4.5v-9',
  compensated: 'M7.5 4 4 7.5 7.5 11M4.3 7.5h7.2a4.2 4.2 0 0 1 0 8.4H7',
  open: 'M5 7.5l5 5 5-5',
  close: 'M5.5 5.5l9 9M14.5 5.5l-9 9',
};
/** @type {Record<string, string>} */
const ALIASES = { succeeded: 'success', failed: 'error', waiting: 'queued' };
const SVG = 'http://www.w3.org/2000/svg';

/**
 * An icon, hidden from screen readers: a text stands beside it.
 * @param {string} name of a level, state or action
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  path.setAttribute('d', SHAPES[ALIASES[name] ?? name] ?? SHAPES.info);
  svg.append(path);
  return svg;
}
