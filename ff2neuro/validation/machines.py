"""The same graph and input on several machines, compared spike for spike."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nir
import numpy as np

from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.chain import read_chain
from ff2neuro.inputs import InputSource
from ff2neuro.recording import Recording
from ff2neuro.validation.spikes import SpikeComparison, compare_recordings

__all__ = ["MachineComparison", "compare_machines", "render_machines"]


@dataclass(frozen=True)
class MachineComparison:
    """Two machines on one graph.

    Attributes
    ----------
    spikes : SpikeComparison
        What differs.
    exact_expected : bool
        Whether both must give the same spikes: they share an arithmetic, or no neuron leaks. Where leaks are rounded
        to Lava's 12 bits on one side only, spikes differ by right, and count distances say how much.
    max_count_distance : float or None
        Limit on the mean count distance of every layer where spikes may differ.
    """

    spikes: SpikeComparison
    exact_expected: bool
    max_count_distance: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the machines agree as far as they must."""
        if self.exact_expected:
            return self.spikes.first is None
        limit = self.max_count_distance
        return limit is None or all(layer.mean_count_distance <= limit for layer in self.spikes.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison by name."""
        return {
            "passed": self.passed,
            "exact_expected": self.exact_expected,
            "max_count_distance": self.max_count_distance,
            **self.spikes.to_json(),
        }


def compare_machines(
    graph: nir.NIRGraph,
    source: InputSource,
    names: Sequence[str],
    config: RunConfig | None = None,
    max_count_distance: float | None = None,
) -> tuple[MachineComparison, ...]:
    """Run a graph on several machines and compare each with the first.

    Parameters
    ----------
    graph : nir.NIRGraph
        A chain; left untouched.
    source : InputSource
        Input events.
    names : sequence of str
        Names of two or more backends.
    config : RunConfig, optional
        What the graph does not say; spikes are recorded whatever it says of them.
    max_count_distance : float, optional
        As in `MachineComparison`.

    Returns
    -------
    tuple of MachineComparison
        One for every backend but the first.

    Raises
    ------
    ConfigurationError
        If fewer than two different backends are named, one is unknown, or the limit is negative.
    GraphError, RangeError, BackendError
        If a machine refuses the graph or fails.
    """
    if len(set(names)) < 2 or len(set(names)) != len(names):
        raise ConfigurationError(f"backends to compare are {', '.join(names)}; name two or more different ones")
    if max_count_distance is not None and not 0 <= max_count_distance < float("inf"):
        raise ConfigurationError(f"the largest count distance is {max_count_distance}; it must not be negative")
    machines = [get_backend(name) for name in names]
    config = replace(config or RunConfig(), record="spikes")
    leak_free = _leak_free(graph, config)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="ff2neuro-")))
        recordings: list[Recording] = []
        for name, machine in zip(names, machines, strict=True):
            with machine:
                recording = machine.run(graph, source, config, directory / f"{name}.h5")
            recordings.append(stack.enter_context(recording))
        first = recordings[0]
        return tuple(
            MachineComparison(
                spikes=compare_recordings(first, other),
                exact_expected=leak_free or first.header.arithmetic == other.header.arithmetic,
                max_count_distance=max_count_distance,
            )
            for other in recordings[1:]
        )


def render_machines(comparisons: Sequence[MachineComparison]) -> str:
    """Return comparisons as text, the outcome of each on its first line.

    Parameters
    ----------
    comparisons : sequence of MachineComparison
        What to say.

    Returns
    -------
    str
        Several lines.
    """
    lines = []
    for comparison in comparisons:
        spikes = comparison.spikes
        outcome = "PASSED" if comparison.passed else "FAILED"
        lines.append(
            f"{outcome}: {spikes.backends[0]} against {spikes.backends[1]}: {spikes.n_differing} of "
            f"{spikes.n_compared} bins differ over {spikes.n_images} images"
        )
        if spikes.first is not None:
            lines.append(f"  first difference: {spikes.first}")
        if spikes.lag is not None:
            lines.append(f"  the second machine is {'late' if spikes.lag > 0 else 'early'} by one step throughout")
        if not comparison.exact_expected:
            lines.append("  equality is not expected: the machines round leaks differently")
        lines += [
            f"  {layer.name}: {layer.n_differing} bins, {layer.n_differing_neurons} neurons, count distance mean "
            f"{layer.mean_count_distance:.4g}, largest {layer.max_count_distance}"
            for layer in spikes.layers
        ]
    return "\n".join(lines)


def _leak_free(graph: nir.NIRGraph, config: RunConfig) -> bool:
    """Whether no neuron of a graph forgets: then every sum of integers is exact in every arithmetic."""
    chain = read_chain(graph, config.dt, config.reset)
    return all(
        bool(np.all(layer.neurons.mem_decay == 1) and np.all(layer.neurons.syn_decay == 0)) for layer in chain.layers
    )
