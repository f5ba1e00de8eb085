/** A word to a person, a group or everyone in the environment. */

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * Wires the message form.
 * @param {() => import('../module/connection.js').Connection | null} connection the one of now
 */
export function wireMessage(connection) {
  const form = byId('message');
  const [to, name, text] = [byId('to'), byId('to-name'), byId('text')];

  to.onchange = () => {
    const everyone = to.value === 'environment';
    byId('to-name-field').hidden = everyone;
    name.disabled = everyone;
    to.parentElement.classList.toggle('alone', everyone);
    byId('to-name-label').textContent = to.value === 'group' ? 'Group' : 'Name';
  };

  form.onsubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const audience = to.value === 'environment' ? 'environment' : `${to.value}:${name.value.trim()}`;
    try {
      await connection()?.api.notify(audience, { level: byId('level').value, title: text.value.trim() });
      say(`Sent to ${to.value === 'environment' ? 'everyone here' : name.value.trim()}.`, false);
      text.value = '';
      text.focus();
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  };
}

/** @param {string} words @param {boolean} bad */
function say(words, bad) {
  const said = byId('message-said');
  said.textContent = words;
  said.classList.toggle('error', bad);
}
