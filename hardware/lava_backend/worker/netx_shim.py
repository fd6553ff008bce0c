"""lava-dl's netx loader without torch.

``import lava.lib.dl.netx`` of lava-dl 0.6.0 fails where there is no torch, for two modules that networks of dense
layers never use: ``netx.sequential_modules`` and ``slayer.neuron.rf``. `install` puts empty ones in their places. Where
torch is installed it does nothing, and netx imports the real ones.

To be used in the interpreter that has Lava, with the directory of this file on its path::

    import netx_shim

    netx_shim.install()
    from lava.lib.dl.netx import hdf5
"""

import importlib.machinery
import importlib.util
import sys
import types
import warnings
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["install"]

NETX = "lava.lib.dl.netx"
SLAYER = "lava.lib.dl.slayer"


def install() -> None:
    """Make ``lava.lib.dl.netx`` importable where torch is missing.

    Raises
    ------
    ImportError
        If there is no lava-dl.
    """
    if importlib.util.find_spec("torch") is not None:
        return
    spec = importlib.util.find_spec("lava.lib.dl")
    folders = [Path(folder) / "netx" for folder in (spec.submodule_search_locations or [])] if spec else []
    netx = next((folder for folder in folders if folder.is_dir()), None)
    if netx is None:
        raise ImportError(
            "lava-dl is not installed in this interpreter; install it: pip install --no-deps lava-dl==0.6.0"
        )
    for name in (SLAYER, f"{SLAYER}.neuron"):
        _put(name).__path__ = []
    _put(f"{SLAYER}.neuron.rf").neuron_params = _refuse  # type: ignore[attr-defined]
    # Lava looks for process models beside every module of netx, and asks each for its file. It imports that once more,
    # and where this fails goes on with a warning.
    _put(f"{NETX}.sequential_modules").__file__ = str(netx / "sequential_modules.py")
    warnings.filterwarnings("ignore", r"Cannot import module '<module 'sequential_modules'", UserWarning)


def _put(name: str) -> types.ModuleType:
    """Make an empty module importable."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, loader=None)
    sys.modules[name] = module
    return module


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Stand in for what only resonate-and-fire neurons need."""
    raise ImportError("resonate-and-fire neurons need torch; install lava-dl with its requirements")
