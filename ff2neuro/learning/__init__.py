"""Training of Forward-Forward networks.

What needs PyTorch is imported when it is first asked for, so that a configuration can be read and checked without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.presets import PRESETS, load_config
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.learning.state import TrainingState, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from ff2neuro.learning.session import train_in_directory
    from ff2neuro.learning.trainer import ForwardForwardTrainer, train

__all__ = [
    "PRESETS",
    "ForwardForwardTrainer",
    "RunDirectory",
    "TrainingConfig",
    "TrainingState",
    "load_checkpoint",
    "load_config",
    "save_checkpoint",
    "train",
    "train_in_directory",
]

_NEEDS_TORCH = {
    "ForwardForwardTrainer": "ff2neuro.learning.trainer",
    "train": "ff2neuro.learning.trainer",
    "train_in_directory": "ff2neuro.learning.session",
}


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch."""
    if name in _NEEDS_TORCH:
        return getattr(import_module(_NEEDS_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
