"""Whose turn it is among the queues of a kind, so that nothing waits for ever."""

# So many jobs of high priority are taken in a row while others wait, and so many of the first lane while others of its rank do.
_IN_A_ROW = 8
# So many of a higher priority are taken in a row while one of low priority waits.
_BEFORE_LOW = 32


class Turns:
    """What was taken before. Ranks are those of [`names.LANES`]."""

    def __init__(self) -> None:
        self._high_in_a_row = self._first_in_a_row = self._since_low = 0

    def ranks(self) -> tuple[int, int, int]:
        """The ranks in the order in which they are asked now."""
        high_first = self._high_in_a_row < _IN_A_ROW
        if self._since_low >= _BEFORE_LOW:
            return (0, 2, 1) if high_first else (0, 1, 2)
        return (2, 1, 0) if high_first else (1, 2, 0)

    def is_first_last(self) -> bool:
        """Whether the lanes behind the first are asked before it."""
        return self._first_in_a_row >= _IN_A_ROW

    def had_none(self, rank: int) -> None:
        """Notes that a rank was asked and has no job: nothing of it has waited for the others."""
        if rank == 1:
            self._high_in_a_row = 0
        elif rank == 0:
            self._since_low = 0

    def had_none_behind_first(self) -> None:
        """The same of the lanes behind the first."""
        self._first_in_a_row = 0

    def took(self, rank: int, *, is_first: bool = False) -> None:
        """Counts a job that was taken."""
        if rank == 2:
            self._high_in_a_row += 1
        else:
            self._high_in_a_row = 0
        if rank == 1:
            self._first_in_a_row = self._first_in_a_row + 1 if is_first else 0
        self._since_low = 0 if rank == 0 else self._since_low + 1
