"""Readers whose requirements clash with ours, run by a Python of their own; this file imports nothing of the package.

Usage: ``python elsewhere.py READER FOLDER``. For every ``N.nir`` in the folder, with its events in ``N.npy`` and its
time step in ``N.dt``, writes the spikes of the last layer to ``N.spikes.npy``, or what was raised to ``N.error``.
"""

import sys
from pathlib import Path

import nir
import numpy as np

__all__ = ["main"]


def _sinabs(path, events, dt):
    import sinabs
    import torch

    network = sinabs.from_nir(nir.read(path), batch_size=len(events))
    with torch.no_grad():
        steps = [network(torch.as_tensor(events[:, t], dtype=torch.float32)) for t in range(events.shape[1])]
    return np.stack([(step[0] if isinstance(step, tuple) else step).numpy() for step in steps], axis=1)


def _spyx(path, events, dt):
    import jax.numpy as jnp
    import spyx.nir

    _, outputs = spyx.nir.from_nir(nir.read(path), jnp.asarray(np.swapaxes(events, 0, 1)), dt=dt)
    return np.swapaxes(np.asarray(outputs), 0, 1)


_READERS = {"sinabs": _sinabs, "spyx": _spyx}


def main(reader, folder):
    for path in sorted(Path(folder).glob("*.nir")):
        events, dt = np.load(path.with_suffix(".npy")), float(path.with_suffix(".dt").read_text())
        try:
            spikes = _READERS[reader](path, events, dt)
        except ImportError:
            # The environment is incomplete, which says nothing about the reader.
            raise
        # Readers end with whatever their framework or an assertion of theirs raises.
        except Exception as error:
            path.with_suffix(".error").write_text(f"{type(error).__name__}: {error}")
        else:
            np.save(path.with_suffix(".spikes.npy"), np.asarray(spikes).reshape(*events.shape[:2], -1) > 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
