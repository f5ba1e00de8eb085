/** The form that sends a message to a person, a group or everyone in the environment. */

import { errorMessage } from '../element/dom.js';
import { byId, form, input, select } from './by-id.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { Toast } from '../module/event.js' */

/** @param {() => Connection | null} connection the current one */
export function initMessageForm(connection) {
  const [to, name, text] = [select('to'), input('to-name'), input('text')];

  to.onchange = () => {
    const everyone = to.value === 'environment';
    byId('to-name-field').hidden = everyone;
    name.disabled = everyone;
    to.parentElement?.classList.toggle('alone', everyone);
    byId('to-name-label').textContent = to.value === 'group' ? 'Group' : 'Name';
  };

  form('message').onsubmit = async (event) => {
    event.preventDefault();
    const audience = to.value === 'environment' ? 'environment' : `${to.value}:${name.value.trim()}`;
    try {
      await connection()?.api.notify(audience, { level: /** @type {Toast['level']} */ (select('level').value), title: text.value.trim() });
      showStatus(`Sent to ${to.value === 'environment' ? 'everyone here' : name.value.trim()}.`, false);
      text.value = '';
      text.focus();
    } catch (error) {
      showStatus(errorMessage(error), true);
    }
  };
}

/** @param {string} text @param {boolean} failed */
function showStatus(text, failed) {
  const status = byId('message-said');
  status.textContent = text;
  status.classList.toggle('error', failed);
}
