/** The demo and operations page: identifies the user, opens their connection and gives it to all elements. */

import '../approvals/bellwire-approvals.js';
import { connect } from '../bellwire.js';
import '../schedules/bellwire-schedules.js';
import '../start/bellwire-start.js';
import '../tasks/bellwire-tasks.js';
import '../toasts/bellwire-toasts.js';
import { byId, input } from './by-id.js';
import { showState } from './connection-state.js';
import { clearCredentials, fetchToken, requestCredentials } from './credentials.js';
import { initImportForm } from './import-form.js';
import { showLinkedFile } from './linked-file.js';
import { initMessageForm } from './message-form.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { Credentials } from './credentials.js' */

/** @type {Connection | null} */
let connection = null;
const ELEMENTS = 'bellwire-approvals, bellwire-schedules, bellwire-start, bellwire-tasks, bellwire-toasts';

initImportForm(() => connection);
initMessageForm(() => connection);
addEventListener('hashchange', () => showLinkedFile(connection));
byId('switch').onclick = () => {
  clearCredentials();
  signOut();
  signIn();
};
signIn();

/** @param {string} [error] the reason why the last credentials were refused */
async function signIn(error) {
  const credentials = await requestCredentials(error);
  connection = connect({ token: () => fetchToken(credentials) });
  connection.addEventListener('state', () => stateChanged(credentials));
  showState(connection);
  for (const element of document.querySelectorAll(ELEMENTS)) Object.assign(element, { connection });
  byId('desk').hidden = byId('who').hidden = false;
  showLinkedFile(connection);
}

/** @param {Credentials} credentials */
function stateChanged(credentials) {
  if (!connection) return;
  const { identity } = connection;
  if (identity) {
    byId('who-name').textContent = identity.user;
    byId('who-environment').textContent = identity.environment;
    document.title = `Bellwire · ${identity.user}`;
    input('to-name').value ||= identity.user;
  }
  // A refused token that was pasted stays refused: ask for another.
  const { state, reason, detail } = connection.state;
  if (!credentials.token || state !== 'waiting' || (reason !== 'unauthorised' && reason !== 'token')) return;
  signOut();
  signIn(detail ?? 'This token is not accepted.');
}

function signOut() {
  const closing = connection;
  connection = null;
  closing?.close();
  for (const element of document.querySelectorAll(ELEMENTS)) Object.assign(element, { connection });
  byId('desk').hidden = byId('who').hidden = byId('connection').hidden = true;
  input('to-name').value = '';
  showLinkedFile(null);
}
