"""Ending a group of processes for certain, with what they hold in shared memory (Linux)."""

import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["ProcessGroup"]

#: Seconds that a group gets to end by itself.
TERM_LIMIT = 3.0
#: Seconds after which processes that were killed should be gone.
KILL_LIMIT = 3.0
SHARED_MEMORY = Path("/dev/shm")
SEGMENT_NAME = re.compile(r"psm_[0-9a-f]+")


class ProcessGroup:
    """All processes of a session that we started.

    Parameters
    ----------
    leader : int
        Identity of the first process, made with a session of its own.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._claimed: list[str] = []

    def claim(self, segments: Iterable[str]) -> None:
        """Note the shared memory that the group uses now, instead of what was noted before.

        Names that Python would not have given are ignored: nothing else may ever be removed.
        """
        self._claimed = [name for name in segments if SEGMENT_NAME.fullmatch(name)]

    def members(self) -> list[int]:
        """Return the processes that are alive, zombies left out."""
        return [pid for pid, state, group in _processes() if group == self._leader and state not in "ZX"]

    def end(self) -> None:
        """End every process, gently first.

        Python's resource tracker ignores SIGTERM, outlives the others and removes their shared memory; it is killed
        only if it does not end.
        """
        self._signal(signal.SIGTERM)
        # A stopped process answers no signal until it goes on.
        self._signal(signal.SIGCONT)
        if not self._gone_within(TERM_LIMIT):
            trackers = {pid for pid in self.members() if _is_resource_tracker(pid)}
            for pid in set(self.members()) - trackers:
                _kill(pid)
            if not self._gone_within(KILL_LIMIT):
                self._signal(signal.SIGKILL)
                self._gone_within(KILL_LIMIT)

    def remove_shared_memory(self) -> None:
        """Remove what was claimed and nobody has removed, after the end of all processes."""
        for segment in self._claimed:
            (SHARED_MEMORY / segment).unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        if self.members():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader, number)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.members():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _processes() -> Iterator[tuple[int, str, int]]:
    """Identity, state and process group of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                # The second field, the name in parentheses, may hold anything.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), fields[0], int(fields[2])


def _is_resource_tracker(pid: int) -> bool:
    with suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
