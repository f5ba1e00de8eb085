/** A file dropped or chosen, stored, and an import of it started. */

import { ApiError } from '../module/api.js';

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** @typedef {'drop' | 'chosen' | 'upload'} Step */

/**
 * Wires the import form.
 * @param {() => import('../module/connection.js').Connection | null} connection the one of now
 */
export function wireImport(connection) {
  /** @type {File | null} */
  let file = null;
  /** @type {AbortController | null} */
  let sending = null;

  /** @param {File | undefined} dropped */
  const choose = (dropped) => {
    if (!dropped || sending) return;
    file = dropped;
    byId('file-name').textContent = file.name;
    byId('file-size').textContent = sizeWords(file.size);
    byId('table').value = tableFor(file.name);
    say('');
    step('chosen');
    byId('start').focus();
  };

  byId('file').onchange = () => choose(byId('file').files[0]);
  byId('other-file').onclick = () => {
    step('drop');
    byId('file').value = '';
    byId('file').focus();
  };
  byId('mode').onchange = () => {
    const keyed = byId('mode').value === 'upsert';
    byId('key-field').hidden = byId('key').disabled = !keyed;
  };
  byId('upload-stop').onclick = () => sending?.abort(new ApiError('The upload was stopped.', 0));
  wireDrop(choose);

  byId('import').onsubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const { api } = connection() ?? {};
    if (!file || !api || sending) return;
    sending = new AbortController();
    say('');
    step('upload');
    byId('upload-name').textContent = `Uploading ${file.name}`;
    try {
      progress(0);
      const stored = await api.upload(file, { onProgress: progress, signal: sending.signal });
      const mode = byId('mode').value;
      const key = mode === 'upsert' ? { key: columnsIn(byId('key').value) } : {};
      const input = { file: stored.key, table: byId('table').value.trim(), mode, ...key };
      await api.startTask('imports', input, { title: file.name });
      file = null;
      byId('file').value = '';
      step('drop');
      byId('file').focus();
    } catch (error) {
      step('chosen');
      say(error instanceof Error ? error.message : String(error));
    } finally {
      sending = null;
    }
  };
}

/** The whole page takes the file: nobody has to aim. @param {(file: File | undefined) => void} choose */
function wireDrop(choose) {
  const page = document.documentElement;
  let inside = 0;
  const isFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') && !byId('desk').hidden;
  /** @param {number} change */
  const move = (change) => {
    inside = Math.max(0, inside + change);
    page.classList.toggle('dragging', inside > 0);
  };
  document.addEventListener('dragenter', (event) => isFile(event) && move(1));
  document.addEventListener('dragleave', (event) => isFile(event) && move(-1));
  document.addEventListener('dragover', (event) => isFile(event) && event.preventDefault());
  document.addEventListener('drop', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    move(-inside);
    choose(event.dataTransfer?.files[0]);
  });
}

/** Names with commas between them. @param {string} text */
export function columnsIn(text) {
  return text.split(',').map((name) => name.trim()).filter(Boolean);
}

/** @param {Step} now */
function step(now) {
  for (const each of ['drop', 'chosen', 'upload']) byId(each).hidden = each !== now;
}

/** @param {string} words */
function say(words) {
  byId('import-error').textContent = words;
}

/** @param {number} part */
function progress(part) {
  const percent = Math.round(part * 100);
  byId('upload-percent').textContent = `${percent} %`;
  byId('upload-bar').ariaValueNow = String(percent);
  byId('upload-fill').style.inlineSize = `${percent}%`;
}

/**
 * A table's name from a file's: "Sales 2026 (final).csv" gives `sales_2026_final`.
 * @param {string} name
 */
export function tableFor(name) {
  const plain = name.replace(/\.(gz|zst)$/i, '').replace(/\.[^.]*$/, '').normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const words = plain.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 60);
  const taken = /^(bellwire_|sqlite_|pg_|[^a-z]|$)/.test(words); // prefixes of the database and of Bellwire itself
  return taken ? `t_${words || 'import'}` : words;
}

/** @param {number} bytes */
function sizeWords(bytes) {
  const unit = bytes < 1000 ? 'byte' : bytes < 1_000_000 ? 'kilobyte' : bytes < 1e9 ? 'megabyte' : 'gigabyte';
  const size = { byte: 1, kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit] ?? 1;
  return new Intl.NumberFormat(undefined, { style: 'unit', unit, maximumFractionDigits: 1 }).format(bytes / size);
}
