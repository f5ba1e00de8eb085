/** Who sits at this tab: a name in development, a pasted token elsewhere. It never gets into a URL. */

import { TokenError } from '../module/token.js';

const STORED = 'bellwire:identity';

/** @typedef {{ user?: string, environment?: string, groups?: string, token?: string }} Who */

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** What the address or this tab already says. @returns {Who | null} */
function known() {
  const asked = new URLSearchParams(location.search);
  const user = asked.get('user');
  if (user) return { user, environment: asked.get('env') ?? 'dev', groups: asked.get('groups') ?? '' };
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? 'null');
  } catch {
    return null;
  }
}

/** Forgets who it was. */
export function forget() {
  sessionStorage.removeItem(STORED);
  const address = new URL(location.href);
  address.search = '';
  history.replaceState(null, '', address);
}

/**
 * A token for somebody, good now.
 * @param {Who} who
 * @returns {Promise<string>}
 */
export async function tokenOf({ user = '', environment = '', groups = '', token }) {
  if (token) return token;
  const answer = await fetch(`/dev/token?${new URLSearchParams({ user, env: environment, groups })}`);
  if (answer.ok) return (await answer.json()).token;
  const problem = await answer.json().catch(() => ({}));
  throw new TokenError(problem.detail ?? problem.title ?? `the gateway hands out no token here (${answer.status})`);
}

/**
 * Asks until somebody has said who they are and there is a token for them.
 * @param {string} [why] what was wrong with what was known
 * @returns {Promise<Who>}
 */
export async function identify(why = '') {
  const who = why ? null : known();
  if (who) {
    try {
      await tokenOf(who);
      return remember(who);
    } catch (error) {
      why = wordsOf(error);
    }
  }
  return ask(why);
}

/** @param {string} why @returns {Promise<Who>} */
async function ask(why) {
  const development = (await fetch('/dev/token?user=anybody&env=dev').catch(() => null))?.ok ?? false;
  const form = byId(development ? 'by-name' : 'by-token');
  byId('identity').hidden = form.hidden = false;
  byId('identity-error').textContent = why;
  form.elements[0].focus();
  return new Promise((resolve) => {
    form.onsubmit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const said = new FormData(form);
      const who = development
        ? { user: String(said.get('user')).trim(), environment: String(said.get('env')).trim(), groups: namesIn(String(said.get('groups'))) }
        : { token: String(said.get('token')).trim() };
      try {
        await tokenOf(who);
      } catch (error) {
        byId('identity-error').textContent = wordsOf(error);
        return;
      }
      byId('identity').hidden = form.hidden = true;
      form.reset();
      resolve(remember(who));
    };
  });
}

/** Names with commas between them, and none without one. @param {string} text */
function namesIn(text) {
  return text.split(',').map((name) => name.trim()).filter(Boolean).join(',');
}

/** Remembered for this tab alone, so that two tabs can be two people. @param {Who} who */
function remember(who) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(who));
  } catch {
    // Asked again on the next load.
  }
  return who;
}

/** @param {unknown} error */
function wordsOf(error) {
  return error instanceof Error ? error.message : String(error);
}
