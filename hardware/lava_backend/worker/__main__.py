"""Entry point of the worker: ``python .../worker/__main__.py [PARENT]``, in the interpreter that has Lava.

With the identity of a process, the worker ends when that one ends.

That interpreter does not have this package, so the worker is loaded under its full name with empty parents: the same
absolute imports work here and in the main program, and no name of ours can clash with one of the user's environment.
"""

import importlib.util
import sys
import types
from pathlib import Path

NAME = "ff2neuro.hardware.lava_backend.worker"


def _load() -> None:
    directory = Path(__file__).resolve().parent
    # Python puts a script's directory first, where `processes` or `protocol` would shadow what others call so.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != directory]
    parents = NAME.split(".")[:-1]
    for depth in range(len(parents)):
        parent = types.ModuleType(".".join(parents[: depth + 1]))
        parent.__path__ = []
        sys.modules[parent.__name__] = parent
    spec = importlib.util.spec_from_file_location(
        NAME, directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the worker is incomplete: {directory / '__init__.py'} is missing; install ff2neuro again")
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _load()
    from ff2neuro.hardware.lava_backend.worker.death_signal import end_with

    # Before anything that takes time.
    if len(sys.argv) > 1:
        end_with(int(sys.argv[1]))
    from ff2neuro.hardware.lava_backend.worker.service import main

    main()
