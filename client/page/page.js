/** The page: somebody, their connection, and the parts that use it. */

import '../approvals/bellwire-approvals.js';
import { connect } from '../bellwire.js';
import '../start/bellwire-start.js';
import '../tasks/bellwire-tasks.js';
import '../toasts/bellwire-toasts.js';
import { forget, identify, tokenOf } from './credentials.js';
import { wireImport } from './import-form.js';
import { wireMessage } from './message-form.js';
import { showState } from './connection-state.js';

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);
/** @type {import('../module/connection.js').Connection | null} */
let connection = null;
const PARTS = 'bellwire-approvals, bellwire-start, bellwire-tasks, bellwire-toasts';

wireImport(() => connection);
wireMessage(() => connection);
byId('switch').onclick = () => {
  forget();
  leave();
  begin();
};
begin();

/** @param {string} [why] what was wrong with what was known */
async function begin(why) {
  const who = await identify(why);
  connection = connect({ url: '/', token: () => tokenOf(who) });
  connection.addEventListener('state', () => follow(who));
  showState(connection);
  for (const part of document.querySelectorAll(PARTS)) Object.assign(part, { connection });
  byId('desk').hidden = byId('who').hidden = false;
}

/** @param {import('./credentials.js').Who} who */
function follow(who) {
  if (!connection) return;
  const { identity } = connection;
  if (identity) {
    byId('who-name').textContent = identity.user;
    byId('who-environment').textContent = identity.environment;
    document.title = `Bellwire · ${identity.user}`;
    byId('to-name').value ||= identity.user;
  }
  // A pasted token that is refused will not get better: ask for another.
  const { state, reason, detail } = connection.state;
  if (!who.token || state !== 'waiting' || (reason !== 'unauthorised' && reason !== 'token')) return;
  leave();
  begin(detail ?? 'This token is not accepted.');
}

function leave() {
  const left = connection;
  connection = null;
  left?.close();
  for (const part of document.querySelectorAll(PARTS)) Object.assign(part, { connection });
  byId('desk').hidden = byId('who').hidden = byId('connection').hidden = true;
  byId('to-name').value = '';
}
