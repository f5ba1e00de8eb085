/** The files of a workflow's run in its row: all at once as an archive, and on demand each by itself. */

import { errorMessage, make, makeButton, setBusy, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { makeLink } from '../element/link.js';

/** @import { Task } from '../module/task.js' */
/** @import { StepContext } from './step-card.js' */

let count = 0;

/** Hidden while the run has no list of files. */
export class RunFiles {
  button = makeButton('toggle', '', () => this.#toggle());
  list = make('ul', 'files');
  #text = make('span', 'toggle-words');
  #context;
  /** @type {Task | null} */
  #task = null;

  /** @param {StepContext} context @param {string} title the id of the element that names the task */
  constructor(context, title) {
    this.#context = context;
    this.list.id = `files-${++count}`;
    this.list.setAttribute('role', 'list');
    this.list.setAttribute('aria-labelledby', title);
    this.button.setAttribute('aria-controls', this.list.id);
    this.button.append(this.#text, icon('open'));
    this.button.ariaExpanded = 'false';
    this.button.hidden = this.list.hidden = true;
  }

  /** @param {Task} task */
  update(task) {
    const { file_count: files, files_href: href } = /** @type {Record<string, unknown>} */ (task.result ?? {});
    this.#task = task;
    this.button.hidden = typeof files !== 'number' || typeof href !== 'string';
    if (typeof files === 'number') setText(this.#text, this.#context.labels.files(files));
    if (this.button.hidden) this.list.hidden = true;
  }

  async #toggle() {
    if (this.button.ariaBusy === 'true') return;
    const opens = this.button.ariaExpanded !== 'true';
    if (opens && this.list.childElementCount === 0 && !(await this.#load())) return;
    this.button.ariaExpanded = String(opens);
    this.list.hidden = !opens;
  }

  /** Loads the list; false if it could not be. */
  async #load() {
    const { connection, onError, labels } = this.#context;
    setBusy(true, this.button);
    try {
      if (!connection || !this.#task) return false;
      const { files, zip } = await connection.api.runFiles(this.#task.id);
      const entries = [{ name: labels.allFiles, href: zip, step: '' }, ...files];
      this.list.replaceChildren(...entries.flatMap(({ name, href, step }) => {
        const link = makeLink(name, href, connection, onError);
        if (!link) return [];
        const item = make('li', '');
        link.ariaLabel = labels.linkOf(labels.download, name);
        link.title = step;
        item.append(link);
        return item;
      }));
      return true;
    } catch (error) {
      onError(errorMessage(error));
      return false;
    } finally {
      setBusy(false, this.button);
    }
  }
}
