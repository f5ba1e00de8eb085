/** A file that the address of the page names, as a mail links it: shown once its reader has signed in, and fetched with their token. */

import { makeLink } from '../element/link.js';
import { byId } from './by-id.js';

/** @import { Connection } from '../module/connection.js' */

/** The path after `#file=`; empty if there is none. */
function linkedPath() {
  return new URLSearchParams(location.hash.slice(1)).get('file') ?? '';
}

/** @param {string} path */
function nameIn(path) {
  const name = path.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** Shows the file, or nothing. @param {Connection | null} connection */
export function showLinkedFile(connection) {
  const [card, path] = [byId('linked-file'), linkedPath()];
  const error = byId('linked-file-error');
  error.textContent = '';
  // Files of the gateway alone: whoever wrote the address may have been anybody.
  const link = connection?.api.fileUrl(path) && makeLink('Download', path, connection, (message) => (error.textContent = message));
  card.hidden = !link;
  if (!link) return;
  byId('linked-file-name').textContent = nameIn(path);
  byId('linked-file-action').replaceChildren(link);
}
