/** The state of the connection in the page's header; a state that soon passes is not shown. */

import { setText } from '../element/dom.js';
import { byId } from './by-id.js';

/** @import { Connection, State } from '../module/connection.js' */

/** Milliseconds after which a state other than live or closed is shown. */
const SHOW_AFTER = 1_000;

const STATES = {
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

/** @param {Connection} connection */
export function showState(connection) {
  const element = byId('connection');
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const show = () => {
    const { state } = connection.state;
    element.dataset.state = state;
    element.title = connection.state.detail ?? '';
    setText(byId('connection-words'), stateText(connection.state));
    clearTimeout(timer);
    if (state === 'waiting') timer = setTimeout(show, 1_000); // counts the seconds down
  };
  element.hidden = false;
  show();
  connection.addEventListener('state', () => {
    clearTimeout(timer);
    if (connection.state.state === 'live' || connection.state.state === 'closed') show();
    else timer = setTimeout(show, SHOW_AFTER);
  });
}

/** @param {State} state */
function stateText({ state, reason, until }) {
  if (state !== 'waiting') return STATES[state];
  const seconds = Math.max(1, Math.ceil(((until ?? 0) - Date.now()) / 1000));
  return `${REASONS[reason ?? ''] ?? 'Not connected'}, next try in ${seconds} s`;
}
