/** Whose turn it is among the queues of a kind, so that nothing waits for ever. Ranks are those of `LANES`. */

/** So many jobs of high priority are taken in a row while others wait, and so many of the first lane while others of its rank do. */
const IN_A_ROW = 8;
/** So many of a higher priority are taken in a row while one of low priority waits. */
const BEFORE_LOW = 32;

/** What was taken before. */
export class Turns {
  #highInARow = 0;
  #firstInARow = 0;
  #sinceLow = 0;

  /** The ranks in the order in which they are asked now. */
  ranks() {
    const highFirst = this.#highInARow < IN_A_ROW;
    if (this.#sinceLow >= BEFORE_LOW) return highFirst ? [0, 2, 1] : [0, 1, 2];
    return highFirst ? [2, 1, 0] : [1, 2, 0];
  }

  /** Whether the lanes behind the first are asked before it. */
  get isFirstLast() {
    return this.#firstInARow >= IN_A_ROW;
  }

  /** Notes that a rank was asked and has no job: nothing of it has waited for the others. @param {number} rank */
  hadNone(rank) {
    if (rank === 1) this.#highInARow = 0;
    else if (rank === 0) this.#sinceLow = 0;
  }

  /** The same of the lanes behind the first. */
  hadNoneBehindFirst() {
    this.#firstInARow = 0;
  }

  /** Counts a job that was taken. @param {number} rank */
  took(rank, isFirst = false) {
    this.#highInARow = rank === 2 ? this.#highInARow + 1 : 0;
    if (rank === 1) this.#firstInARow = isFirst ? this.#firstInARow + 1 : 0;
    this.#sinceLow = rank === 0 ? 0 : this.#sinceLow + 1;
  }
}
