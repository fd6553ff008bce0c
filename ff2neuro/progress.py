"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm import tqdm

__all__ = ["Progress", "progress_bar"]

#: Seconds between two lines where stderr is not a terminal.
LINE_INTERVAL = 10.0


class Progress(Protocol):
    """What a long computation calls."""

    def advance(self, n: int = 1, **figures: float) -> None:
        """Report that `n` more units are done, with figures to show beside the bar."""


class _Bar:
    """A bar on a terminal."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def advance(self, n: int = 1, **figures: float) -> None:
        if figures:
            self._bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self._bar.update(n)


class _Lines:
    """A line now and then: nothing for work that ends soon."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._done = 0
        self._last = time.monotonic()

    def advance(self, n: int = 1, **figures: float) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._last < LINE_INTERVAL:
            return
        self._last = now
        tail = "".join(f", {name} {value:.4g}" for name, value in figures.items())
        print(f"{self._description}: {self._done}/{self._total} {self._unit}{tail}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(description: str, total: int, unit: str) -> Iterator[Progress]:
    """Show the progress of a computation on stderr.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        Number of units that there are.
    unit : str
        Name of a unit in the plural ("epochs", "images").

    Yields
    ------
    Progress
        Object whose `advance` is to be called as the work goes on.
    """
    if sys.stderr.isatty():
        bar: tqdm[Any] = tqdm(total=total, desc=description, unit=f" {unit}", file=sys.stderr, leave=False)
        with bar:
            yield _Bar(bar)
    else:
        yield _Lines(description, total, unit)
