/** The user of this tab: a name in development, a pasted token elsewhere. Neither is put into a URL. */

import { errorMessage } from '../element/dom.js';
import { TokenError } from '../module/token.js';
import { byId, form } from './by-id.js';

const STORAGE_KEY = 'bellwire:identity';

/** @typedef {{ user?: string, environment?: string, groups?: string, token?: string }} Credentials */

/** The credentials in the address or in this tab's storage. @returns {Credentials | null} */
function loadCredentials() {
  const parameters = new URLSearchParams(location.search);
  const user = parameters.get('user');
  if (user) return { user, environment: parameters.get('env') ?? 'dev', groups: parameters.get('groups') ?? '' };
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? 'null');
  } catch {
    return null;
  }
}

/** Saves them for this tab only, so that two tabs can be two users. @param {Credentials} credentials */
function saveCredentials(credentials) {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(credentials));
  } catch {
    // The next load asks again.
  }
  return credentials;
}

export function clearCredentials() {
  sessionStorage.removeItem(STORAGE_KEY);
  const address = new URL(location.href);
  address.search = '';
  history.replaceState(null, '', address);
}

/** Beside the modules, wherever a proxy serves them. @param {Record<string, string>} query */
function tokenUrl(query) {
  return new URL(`../../dev/token?${new URLSearchParams(query)}`, import.meta.url);
}

/**
 * A valid token.
 * @param {Credentials} credentials
 * @returns {Promise<string>}
 */
export async function fetchToken({ user = '', environment = '', groups = '', token }) {
  if (token) return token;
  const answer = await fetch(tokenUrl({ user, env: environment, groups }));
  if (answer.ok) return (await answer.json()).token;
  const problem = await answer.json().catch(() => ({}));
  throw new TokenError(problem.detail ?? problem.title ?? `the gateway hands out no token here (${answer.status})`);
}

/**
 * The stored credentials, or those that the user enters, once there is a token for them.
 * @param {string} [error] the reason why the last ones were refused
 * @returns {Promise<Credentials>}
 */
export async function requestCredentials(error = '') {
  const stored = error ? null : loadCredentials();
  if (stored) {
    try {
      await fetchToken(stored);
      return saveCredentials(stored);
    } catch (refused) {
      error = errorMessage(refused);
    }
  }
  return askUser(error);
}

/** @param {string} error @returns {Promise<Credentials>} */
async function askUser(error) {
  const development = (await fetch(tokenUrl({ user: 'anybody', env: 'dev' })).catch(() => null))?.ok ?? false;
  const shown = form(development ? 'by-name' : 'by-token');
  byId('identity').hidden = shown.hidden = false;
  byId('identity-error').textContent = error;
  byId(development ? 'user' : 'token').focus();
  return new Promise((resolve) => {
    shown.onsubmit = async (event) => {
      event.preventDefault();
      const credentials = readForm(shown);
      try {
        await fetchToken(credentials);
      } catch (refused) {
        byId('identity-error').textContent = errorMessage(refused);
        return;
      }
      byId('identity').hidden = shown.hidden = true;
      shown.reset();
      resolve(saveCredentials(credentials));
    };
  });
}

/** @param {HTMLFormElement} shown @returns {Credentials} */
function readForm(shown) {
  const fields = new FormData(shown);
  /** @param {string} name */
  const text = (name) => String(fields.get(name)).trim();
  if (shown.id === 'by-token') return { token: text('token') };
  const groups = text('groups').split(',').map((name) => name.trim()).filter(Boolean).join(',');
  return { user: text('user'), environment: text('env'), groups };
}
