"""Hebbian Forward-Forward learning in spiking neurons (arXiv 2406.16479), exact and event-driven.

What needs the compiler is imported when it is first asked for, so that a configuration can be read without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.state import HebbianState

if TYPE_CHECKING:
    from ff2neuro.learning.hebbian.evaluation import evaluate
    from ff2neuro.learning.hebbian.trainer import HebbianTrainer

__all__ = ["HebbianConfig", "HebbianState", "HebbianTrainer", "evaluate"]

_COMPILED = {"HebbianTrainer": "ff2neuro.learning.hebbian.trainer", "evaluate": "ff2neuro.learning.hebbian.evaluation"}


def __getattr__(name: str) -> Any:
    """Import what needs the compiler."""
    if name in _COMPILED:
        return getattr(import_module(_COMPILED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
