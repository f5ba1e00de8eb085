/** Links from events and results: checked before they are shown; a gateway's file is fetched with the token in a header. */

import { errorMessage, makeButton, setBusy } from './dom.js';

/** @import { Connection } from '../module/connection.js' */

/**
 * True if a link may be shown: http(s), or a path of the page's own origin. `javascript:` would run a script.
 * Browsers drop tabs and line ends inside an address and read `\` as `/`, so a text with any of them is refused.
 * @param {unknown} href
 * @returns {href is string}
 */
export function isSafeHref(href) {
  if (typeof href !== 'string' || /[\u0000-\u0020\u007f\\]/.test(href[0] ?? ' ') || /[\u0000-\u001f\u007f\\]/.test(href)) return false;
  if (href.startsWith('/')) return !href.startsWith('//');
  return /^https?:\/\//i.test(href) && URL.canParse(href);
}

/**
 * A link, or a button that downloads a gateway's file; null if the link is not safe.
 * @param {string} label @param {unknown} href
 * @param {Connection | null} connection to the file's gateway
 * @param {(message: string) => void} onError
 * @returns {HTMLElement | null}
 */
export function makeLink(label, href, connection, onError) {
  if (!isSafeHref(href)) return null;
  if (connection?.api.fileUrl(href)) return downloadButton(label, href, connection, onError);
  const link = document.createElement('a');
  link.textContent = label;
  link.href = href;
  if (!href.startsWith('/')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  return link;
}

/** @param {string} label @param {string} href @param {Connection} connection @param {(message: string) => void} onError */
function downloadButton(label, href, connection, onError) {
  const button = makeButton('', label, async () => {
    if (button.ariaBusy === 'true') return;
    setBusy(true, button);
    try {
      const { name, blob } = await connection.api.download(href);
      saveBlob(name, blob);
    } catch (error) {
      onError(errorMessage(error));
    } finally {
      setBusy(false, button);
    }
  });
  return button;
}

/** @param {string} name @param {Blob} blob */
function saveBlob(name, blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
