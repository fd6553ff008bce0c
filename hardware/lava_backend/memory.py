"""How many lanes fit into memory."""

import os
from pathlib import Path

from ff2neuro.errors import ConfigurationError
from ff2neuro.inputs import InputSource
from ff2neuro.recording import RecordingHeader

__all__ = ["fitting_lanes"]

SHARED_MEMORY = Path("/dev/shm")
#: Bytes of shared memory per lane: ports of an input channel (8 + 2 messages of a byte), and of a neuron (three ports
#: of 2 messages of four bytes, one of 8 messages of a byte).
PORT_BYTES_PER_INPUT = 10
PORT_BYTES_PER_NEURON = 32
#: Further bytes per lane in the processes: copies of the input in single or double precision, and the temporaries of
#: Lava's neuron model, which computes in 64 bits.
WORK_BYTES_PER_INPUT = 24
WORK_BYTES_PER_NEURON = 128
#: Copies of a window's input and output on their way through pipes and files.
COPIES = 6
#: Part of the free memory that may be used.
SHARE = 0.7


def fitting_lanes(lanes: int | None, default: int, inputs: InputSource, header: RecordingHeader, workers: int) -> int:
    """Choose the number of lanes.

    Parameters
    ----------
    lanes : int or None
        Lanes asked for; None takes `default`, or as many as fit.
    default : int
        Lanes that serve best.
    inputs : InputSource
        Input events.
    header : RecordingHeader
        What will be recorded.
    workers : int
        Number of workers that share the memory.

    Returns
    -------
    int
        Number of lanes.

    Raises
    ------
    ConfigurationError
        If more lanes were asked for than fit; the message says how many do.
    """
    n_neurons = sum(header.layers.values())
    shared = inputs.n_inputs * PORT_BYTES_PER_INPUT + n_neurons * PORT_BYTES_PER_NEURON
    window = inputs.n_inputs * (1 if inputs.constant else inputs.n_time_steps)
    window += n_neurons * (2 if header.kind == "counts" else header.n_time_steps)
    window += 8 * n_neurons * header.n_time_steps if header.states else 0
    private = inputs.n_inputs * WORK_BYTES_PER_INPUT + n_neurons * WORK_BYTES_PER_NEURON + COPIES * window
    # Shared memory is memory as well.
    most = int(SHARE / workers * min(_free_shared_memory() / shared, _free_memory() / (shared + private)))
    # Never more than there is to simulate, however many were asked for.
    wanted = min(default if lanes is None else lanes, max(1, inputs.n_images * inputs.n_hypotheses))
    if wanted <= most:
        return wanted
    if lanes is None and most >= 1:
        return most
    raise ConfigurationError(
        f"{wanted} lanes need {wanted * (shared + private) / 2**20:.0f} MB of memory for each worker, "
        f"{wanted * shared / 2**20:.0f} MB of it shared; at most {max(most, 0)} fit: ask for fewer lanes or workers"
    )


def _free_shared_memory() -> int:
    if not SHARED_MEMORY.is_dir():
        return _free_memory()
    state = os.statvfs(SHARED_MEMORY)
    return state.f_bavail * state.f_frsize


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
