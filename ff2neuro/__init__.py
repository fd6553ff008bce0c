"""Forward-Forward networks on neuromorphic hardware.

Train a network with the Forward-Forward Algorithm, convert it to spiking neurons, export it as a NIR graph, run it in
the Lava simulator, and prove that the spiking network still does what the analog one did.

Importing this package loads no training framework and no simulator.
"""

from typing import TYPE_CHECKING, Any

from ff2neuro._version import __version__

if TYPE_CHECKING:
    from ff2neuro.learning.estimator import ForwardForwardClassifier

__all__ = ["ForwardForwardClassifier", "__version__"]


def __getattr__(name: str) -> Any:
    """Import what needs scikit-learn and PyTorch when it is first asked for."""
    if name == "ForwardForwardClassifier":
        from ff2neuro.learning.estimator import ForwardForwardClassifier

        return ForwardForwardClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
