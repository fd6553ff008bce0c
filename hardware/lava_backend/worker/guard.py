"""What keeps a broken Lava from hanging or leaving processes behind.

Lava waits for ever when one of its processes raises, dies or is killed. Here the whole process group ends as soon as
one of them is lost (and every process ends with the one that forked it: `death_signal`). Python's resource tracker,
which ignores SIGTERM, then removes what was left in shared memory.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from typing import Any

import lava.magma.runtime.runtime as lava_runtime

__all__ = ["Sentry", "end_group", "report_exceptions"]

#: Seconds between the loss of a process and the end of all.
LAST_WORDS = 1.0


def end_group() -> None:
    """Send SIGTERM to every process of the worker, this one included."""
    sys.stderr.flush()
    os.killpg(0, signal.SIGTERM)


def report_exceptions() -> None:
    """Make an exception inside a Lava process end the worker with its traceback on stderr.

    Lava keeps it to itself, and unless the process is the last of a chain waits for ever.
    """
    original: Callable[..., None] = lava_runtime.target_fn

    def run_or_end(*args: Any, **kwargs: Any) -> None:
        try:
            original(*args, **kwargs)
        except BaseException:
            traceback.print_exc()
            end_group()

    lava_runtime.target_fn = run_or_end


class Sentry:
    """Ends the worker when a process of a running network is lost.

    Parameters
    ----------
    sentinels : mapping of int to str
        Name of each process by its sentinel (`multiprocessing.Process.sentinel`).
    """

    def __init__(self, sentinels: Mapping[int, str]) -> None:
        self._sentinels = dict(sentinels)
        self._reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        ready = wait([*self._sentinels, self._reader])
        if self._reader not in ready:
            # A process that raised makes others end, perhaps before it has said what happened.
            time.sleep(LAST_WORDS)
            lost = ", ".join(self._sentinels[sentinel] for sentinel in ready if isinstance(sentinel, int))
            print(f"Lava process {lost} ended in the middle of a run", file=sys.stderr)
            end_group()

    def dismiss(self) -> None:
        """Stop watching, because the network is going to be stopped."""
        os.write(self._writer, b".")
        self._thread.join()
        os.close(self._writer)
        os.close(self._reader)
