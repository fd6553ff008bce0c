"""Forward-Forward networks on neuromorphic hardware.

Train a network with the Forward-Forward Algorithm, convert it to spiking neurons, export it as a NIR graph, run it in
the Lava simulator, and prove that the spiking network still does what the analog one did.

Importing this package loads no training framework and no simulator.
"""

from ff2neuro._version import __version__

__all__ = ["__version__"]
