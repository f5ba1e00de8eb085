/** Links that others wrote: checked, and a gateway's file fetched with the token in a header. */

/** @typedef {import('../module/connection.js').Connection} Connection */

/**
 * Whether a link may stand in the page: http(s), or a path of one's own origin. `javascript:` would be script.
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
 * A link, or a button that saves a gateway's file; null where the link may not stand in the page.
 * @param {string} label @param {unknown} href
 * @param {Connection | null} connection whose gateway and token it is
 * @param {(message: string) => void} onError
 * @returns {HTMLElement | null}
 */
export function linkTo(label, href, connection, onError) {
  if (!isSafeHref(href)) return null;
  if (connection?.api.fileUrl(href)) return fileButton(label, href, connection, onError);
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
function fileButton(label, href, connection, onError) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = label;
  button.addEventListener('click', async () => {
    if (button.ariaBusy === 'true') return;
    button.ariaBusy = 'true'; // not `disabled`: that would drop the focus
    try {
      const { name, blob } = await connection.api.download(href);
      save(name, blob);
    } catch (error) {
      onError(error instanceof Error ? error.message : String(error));
    } finally {
      button.ariaBusy = null;
    }
  });
  return button;
}

/** @param {string} name @param {Blob} blob */
function save(name, blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
