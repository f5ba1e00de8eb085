/** What one client has told so far, each kind of word in its order. */
export class Ear {
  /** CloudEvents that it was given. */
  event = [];
  /** Cursors that it was told. */
  cursor = [];
  /** Reasons of holes. */
  gap = [];
  /** `connected`, `away` or `closed`, with the reason where its client knows one. */
  state = [];
  /** Warnings and errors of the client itself. */
  log = [];

  /** @param {'event' | 'cursor' | 'gap' | 'state' | 'log'} kind */
  tell = (kind, word) => {
    if (!Array.isArray(this[kind])) throw new Error(`a client told ${kind}: ${JSON.stringify(word)}`);
    this[kind].push(word);
  };

  /** The numbers of a publisher's events, as they came. */
  get numbers() {
    return this.event.filter(({ type }) => type === 'tests.number').map(({ data }) => data.number);
  }

  /** How often it has come to this state. */
  times(state) {
    return this.state.filter((each) => each.state === state).length;
  }
}
