/** Loads a list when it may have changed unseen: with its connection, once events arrive, and after a gap. */

/** @import { Connection } from '../module/connection.js' */

/** Milliseconds before a list is loaded again from a pod that has read less of the log than the events' pod, and how often. */
const LAG_DELAY = 100;
const MAX_LAGS = 50;

/** Runs one load at a time; requests during a load lead to one more. */
export class ListLoader {
  #load;
  #onError;
  #reloadWhenLive;
  /** @type {Connection | null} */
  #connection = null;
  #current = new AbortController();
  /** True if the list was loaded while events arrived, so that none was missed. */
  #complete = false;
  #loading = false;
  #pending = false;
  /** Loads in a row that came from a pod that lagged behind. */
  #lags = 0;

  /**
   * @param {(connection: Connection, signal: AbortSignal) => Promise<string | void>} load
   *   answers the cursor up to which the list is complete, if it has one; its signal is aborted when the connection has been replaced
   * @param {(error: unknown) => void} onError
   * @param {{ reloadWhenLive?: boolean }} [options] reload each time the connection is live again, if no event reports changes
   */
  constructor(load, onError, { reloadWhenLive = false } = {}) {
    this.#load = load;
    this.#onError = onError;
    this.#reloadWhenLive = reloadWhenLive;
  }

  /**
   * Loads from another connection, or stops.
   * @param {Connection | null} connection
   * @returns {AbortSignal} aborted when the connection is replaced
   */
  setConnection(connection) {
    this.#current.abort();
    this.#current = new AbortController();
    this.#connection = connection;
    this.#loading = this.#pending = false;
    this.#lags = 0;
    const { signal } = this.#current;
    if (!connection) return signal;
    connection.addEventListener('gap', () => this.reload(), { signal });
    connection.addEventListener('state', () => this.#stateChanged(), { signal });
    this.#complete = connection.state.state === 'live';
    this.reload();
    return signal;
  }

  async reload() {
    if (this.#loading) {
      this.#pending = true;
      return;
    }
    const [connection, { signal }] = [this.#connection, this.#current];
    if (!connection) return;
    this.#loading = true;
    const { cursor } = connection;
    try {
      this.#checkLag(await this.#load(connection, signal), cursor, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#complete = false; // load again when it is live next
      this.#onError(error);
    }
    if (signal.aborted) return;
    this.#loading = false;
    if (!this.#pending) return;
    this.#pending = false;
    await this.reload();
  }

  /**
   * Events and list may come from different pods: what happened between the two places would be in neither.
   * @param {string | void} complete @param {string | null} cursor @param {AbortSignal} signal
   */
  #checkLag(complete, cursor, signal) {
    const lags = complete && cursor && complete.length === cursor.length && complete < cursor;
    this.#lags = lags ? this.#lags + 1 : 0;
    if (!lags || this.#lags > MAX_LAGS) return;
    const timer = setTimeout(() => this.reload(), LAG_DELAY);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  #stateChanged() {
    if (this.#connection?.state.state !== 'live' || (this.#complete && !this.#reloadWhenLive)) return;
    this.#complete = true;
    this.reload();
  }
}
