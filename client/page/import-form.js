/** The form that uploads a dropped or chosen file and starts its import. */

import { errorMessage } from '../element/dom.js';
import { ApiError } from '../module/api.js';
import { byId, form, input, select } from './by-id.js';

/** @import { Connection } from '../module/connection.js' */

/** @typedef {'drop' | 'chosen' | 'upload'} Step */

/** @param {() => Connection | null} connection the current one */
export function initImportForm(connection) {
  /** @type {File | null} */
  let file = null;
  /** The file that was uploaded last: a preview and the import send it once. @type {{ file: File, key: string } | null} */
  let uploaded = null;
  /** @type {AbortController | null} */
  let sending = null;

  /** @param {File | undefined} dropped */
  const choose = (dropped) => {
    if (!dropped || sending) return;
    file = dropped;
    byId('file-name').textContent = file.name;
    byId('file-size').textContent = sizeText(file.size);
    input('table').value = tableNameFor(file.name);
    // Said of one file, and of no other.
    input('sheet').value = '';
    input('each-sheet').checked = false;
    input('accept-rejected').checked = false;
    showError('');
    showStep('chosen');
    byId('start').focus();
  };

  input('file').onchange = () => choose(input('file').files?.[0]);
  byId('other-file').onclick = () => {
    showStep('drop');
    input('file').value = '';
    byId('file').focus();
  };
  select('mode').onchange = () => {
    const keyed = select('mode').value === 'upsert';
    byId('key-field').hidden = input('key').disabled = !keyed;
  };
  byId('upload-stop').onclick = () => sending?.abort(new ApiError('The upload was stopped.', 0));
  initDrop(choose);

  form('import').onsubmit = async (event) => {
    event.preventDefault();
    const { api } = connection() ?? {};
    if (!file || !api || sending) return;
    sending = new AbortController();
    showError('');
    showStep('upload');
    byId('upload-name').textContent = `Uploading ${file.name}`;
    try {
      showProgress(0);
      const isPreview = event.submitter === byId('look');
      if (uploaded?.file !== file) {
        const { key } = await api.upload(file, { onProgress: showProgress, signal: sending.signal });
        uploaded = { file, key };
      }
      const mode = select('mode').value;
      const key = mode === 'upsert' ? { key: parseColumns(input('key').value) } : {};
      const eachSheet = input('each-sheet').checked;
      const sheet = eachSheet ? '' : input('sheet').value.trim();
      const task = {
        file: uploaded.key,
        table: input('table').value.trim(),
        mode,
        ...key,
        ...readingOptions(),
        ...(sheet && { sheet }),
        ...(eachSheet && { sheets: 'each' }),
        ...(input('accept-rejected').checked && { accept_rejected: true }),
        ...(isPreview && { preview: true }),
      };
      await api.startTask('imports', task, { title: isPreview ? `Preview of ${file.name}` : file.name });
      if (isPreview) {
        showStep('chosen');
        byId('start').focus();
        return;
      }
      file = uploaded = null;
      input('file').value = '';
      showStep('drop');
      byId('file').focus();
    } catch (error) {
      showStep('chosen');
      showError(errorMessage(error));
    } finally {
      sending = null;
    }
  };
}

/** What the person says of how the file is written. */
function readingOptions() {
  const said = ['encoding', 'delimiter', 'decimal', 'dates'].map((name) => [name, select(name).value]);
  return Object.fromEntries(said.filter(([, value]) => value !== ''));
}

/** Accepts a file dropped anywhere on the page. @param {(file: File | undefined) => void} choose */
function initDrop(choose) {
  const page = document.documentElement;
  let inside = 0;
  const isFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') && !byId('desk').hidden;
  /** @param {number} change */
  const enter = (change) => {
    inside = Math.max(0, inside + change);
    page.classList.toggle('dragging', inside > 0);
  };
  document.addEventListener('dragenter', (event) => isFile(event) && enter(1));
  document.addEventListener('dragleave', (event) => isFile(event) && enter(-1));
  document.addEventListener('dragover', (event) => isFile(event) && event.preventDefault());
  document.addEventListener('drop', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    enter(-inside);
    choose(event.dataTransfer?.files[0]);
  });
}

/** The names in a list separated by commas. @param {string} text */
export function parseColumns(text) {
  return text.split(',').map((name) => name.trim()).filter(Boolean);
}

/** @param {Step} step */
function showStep(step) {
  for (const each of ['drop', 'chosen', 'upload']) byId(each).hidden = each !== step;
}

/** @param {string} message */
function showError(message) {
  byId('import-error').textContent = message;
}

/** @param {number} fraction */
function showProgress(fraction) {
  const percent = Math.round(fraction * 100);
  byId('upload-percent').textContent = `${percent} %`;
  byId('upload-bar').ariaValueNow = String(percent);
  byId('upload-fill').style.inlineSize = `${percent}%`;
}

/**
 * The table name for a file name: "Sales 2026 (final).csv" gives `sales_2026_final`.
 * @param {string} name
 */
export function tableNameFor(name) {
  const plain = name.replace(/\.(gz|zst)$/i, '').replace(/\.[^.]*$/, '').normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const words = plain.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 60);
  const taken = /^(bellwire_|sqlite_|pg_|[^a-z]|$)/.test(words); // prefixes of the database and of Bellwire itself
  return taken ? `t_${words || 'import'}` : words;
}

/** @param {number} bytes */
function sizeText(bytes) {
  const unit = bytes < 1000 ? 'byte' : bytes < 1_000_000 ? 'kilobyte' : bytes < 1e9 ? 'megabyte' : 'gigabyte';
  const size = { byte: 1, kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit] ?? 1;
  return new Intl.NumberFormat(undefined, { style: 'unit', unit, maximumFractionDigits: 1 }).format(bytes / size);
}
