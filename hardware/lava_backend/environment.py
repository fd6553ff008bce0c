"""The Python environment in which Lava lives, apart from this one.

lava-nc 0.10.0, the last release, runs on Python 3.10 only. Its environment is either one that ``ff2neuro backends
install lava`` makes (in ``FF2NEURO_LAVA_ENV``, by default the user's data directory) or a ready interpreter that the
user names in ``FF2NEURO_LAVA_PYTHON``.
"""

from pathlib import Path

from ff2neuro.hardware.own_environment import OwnEnvironment

__all__ = ["LAVA"]

LAVA = OwnEnvironment(
    backend="lava",
    distribution="lava-nc",
    # The version whose arithmetic `ff2neuro.dynamics` reproduces.
    version="0.10.0",
    requirements=Path(__file__).with_name("requirements.txt"),
    check="import lava.magma.runtime.runtime, lava.proc.lif.process",
    size="about 400 MB",
    # Wants torch for layers that dense networks do not have, so its own requirements are left out.
    bare=("lava-dl==0.6.0",),
)
