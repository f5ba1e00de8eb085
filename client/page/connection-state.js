/** The connection's state, shown calmly: what passes in a moment is not shown at all. */

/** Less than this is no news. */
const MOMENT = 1_000;

const WORDS = {
  connecting: 'Connecting…',
  queueing: 'Taking turns with your other windows',
  live: 'Live',
  hidden: 'Paused while hidden',
  closed: 'Closed',
};
/** @type {Record<string, string>} */
const REASONS = {
  unauthorised: 'Token not accepted',
  token: 'No token',
  busy: 'The gateway is busy',
};

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * Shows a connection's state.
 * @param {import('../module/connection.js').Connection} connection
 */
export function showState(connection) {
  const place = byId('connection');
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  const show = () => {
    const { state } = connection.state;
    place.dataset.state = state;
    place.title = connection.state.detail ?? '';
    setWords(wordsOf(connection.state));
    clearTimeout(later);
    if (state === 'waiting') later = setTimeout(show, 1_000); // the seconds go down
  };
  place.hidden = false;
  show();
  connection.addEventListener('state', () => {
    clearTimeout(later);
    if (connection.state.state === 'live' || connection.state.state === 'closed') show();
    else later = setTimeout(show, MOMENT);
  });
}

/** @param {import('../module/connection.js').State} state */
function wordsOf({ state, reason, until }) {
  if (state !== 'waiting') return WORDS[state];
  const seconds = Math.max(1, Math.ceil(((until ?? 0) - Date.now()) / 1000));
  return `${REASONS[reason ?? ''] ?? 'Not connected'}, next try in ${seconds} s`;
}

/** @param {string} words */
function setWords(words) {
  const place = byId('connection-words');
  if (place.textContent !== words) place.textContent = words;
}
