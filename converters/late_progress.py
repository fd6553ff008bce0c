"""Progress of work that is usually over before anybody asks: shown from the third second on."""

import time
from contextlib import ExitStack
from types import TracebackType

from ff2neuro.progress import Progress, progress_bar

__all__ = ["LateProgress"]

#: Seconds of silence.
PATIENCE = 2.0


class LateProgress:
    """A count on stderr that appears only if the work takes long.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        Number of units that there are.
    unit : str
        Name of a unit in the plural.
    """

    def __init__(self, description: str, total: int, unit: str) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._stack = ExitStack()
        self._bar: Progress | None = None
        self._started = time.monotonic()
        self._done = 0

    def __enter__(self) -> "LateProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def tick(self) -> None:
        """Report that one more unit is done."""
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """Report that so many units are done, or need not be done any more."""
        advance, self._done = done - self._done, done
        if self._bar is not None:
            self._bar.advance(advance)
        elif time.monotonic() - self._started > PATIENCE:
            self._bar = self._stack.enter_context(progress_bar(self._description, self._total, self._unit))
            self._bar.advance(self._done)
