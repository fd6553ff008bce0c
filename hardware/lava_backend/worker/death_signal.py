"""Processes that end with the one that started them, even while they are stopped (Linux)."""

import ctypes
import os
import signal

__all__ = ["end_forks_with_this", "end_with"]

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """End this process when its parent ends; SIGKILL reaches it where it is stopped and could not see its pipe close.

    Parameters
    ----------
    parent : int
        Identity of the process that should be the parent. Where another one stands between, such as a script that
        starts the interpreter, nothing is done. What counts for Linux is the end of the parent's thread that started
        this process, so that has to be one that lasts.
    """
    if os.getppid() == parent:
        _follow(parent)


def end_forks_with_this() -> None:
    """Make every process that is forked from here on end when the one that forked it ends."""
    parents: list[int] = []

    def note_parent() -> None:
        parents[:] = [os.getpid()]

    def follow() -> None:
        _follow(parents[0])

    os.register_at_fork(before=note_parent, after_in_child=follow)


def _follow(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        return
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have gone before the call.
    if os.getppid() != parent:
        os._exit(1)
