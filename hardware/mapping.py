"""Placing a network on the cores of a machine: what fits, what does not and by how much.

Synapses that are exactly 0 are not stored; all others are stored one by one. Cores are not shared between layers (but
see `Placement`), which is how Lava's compiler begins as well. A layer that exceeds a core is cut into blocks of
consecutive neurons, each as large as a core can hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ff2neuro.hardware.chain import Chain, ChainLayer
from ff2neuro.hardware.mapping_limits import layer_problems, network_problems, weight_bits
from ff2neuro.hardware.targets import Core, Target

__all__ = ["Block", "LayerMapping", "Mapping", "map_chain"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Block:
    """Consecutive neurons of a layer on one core, and what they take of it.

    Attributes
    ----------
    start, stop : int
        Range of neurons.
    used : dict of str to int
        Use of each resource that a `Core` has, by its name.
    """

    start: int
    stop: int
    used: dict[str, int]

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.stop - self.start


@dataclass(frozen=True)
class LayerMapping:
    """Where a layer goes.

    Attributes
    ----------
    name : str
        Name of the layer.
    n_neurons, n_synapses : int
        Neurons, and weights that are not 0.
    weight_bits : int or None
        Width of a stored weight; None if the weights are not integers.
    core : Core
        Kind of core that its blocks are on.
    blocks : tuple of Block
        Its parts, one core each; the last ones hold what is left over.
    bottleneck : str or None
        Resource that is used up first; None if no figure of the machine limits the layer.
    """

    name: str
    n_neurons: int
    n_synapses: int
    weight_bits: int | None
    core: Core
    blocks: tuple[Block, ...]
    bottleneck: str | None

    def utilisation(self, resource: str) -> float | None:
        """Return how full the fullest core is.

        Parameters
        ----------
        resource : str
            Name of a resource of `Core`.

        Returns
        -------
        float or None
            Share of what there is, above 1 if it does not fit; None if there is no figure.
        """
        limit = getattr(self.core, resource)
        return None if limit is None else max(block.used[resource] for block in self.blocks) / limit


@dataclass(frozen=True)
class Mapping:
    """A network on a machine.

    Attributes
    ----------
    target : Target
        The machine.
    layers : tuple of LayerMapping
        First to last.
    n_cores, n_chips : int
        How many are needed.
    problems : tuple of str
        What does not fit and by how much; empty if the network fits.
    advice : tuple of str
        What would help.
    """

    target: Target
    layers: tuple[LayerMapping, ...]
    n_cores: int
    n_chips: int
    problems: tuple[str, ...]
    advice: tuple[str, ...] = field(default=())

    @property
    def fits(self) -> bool:
        """Whether every limit that is known holds."""
        return not self.problems


def map_chain(chain: Chain, target: Target) -> Mapping:
    """Place the layers of a network on the cores of a machine.

    Parameters
    ----------
    chain : Chain
        The network.
    target : Target
        The machine.

    Returns
    -------
    Mapping
        Layers, cores, chips, problems and advice.
    """
    patterns = [sparse.csr_array(layer.weight != 0) for layer in chain.layers]
    bits = [weight_bits(layer.weight) for layer in chain.layers]
    cores = _kinds_of_cores(chain, patterns, target)
    layers: list[LayerMapping] = []
    # From the last layer to the first, since the cores of one are the destinations of the one before.
    for index in range(len(chain.layers) - 1, -1, -1):
        destinations = _destinations(patterns, layers[0] if layers else None, index)
        layers.insert(0, _map_layer(chain.layers[index], patterns[index], bits[index], cores[index], destinations))
        if target.placement != "split":
            layers[0] = _whole(layers[0], patterns[index], destinations)
    n_cores = 1 if target.placement == "joint" else sum(len(layer.blocks) for layer in layers)
    n_chips = max(1, -(-n_cores // target.cores_per_chip))
    synapses = sum(layer.n_synapses for layer in layers)
    if target.synapses_per_chip is not None:
        n_chips = max(n_chips, -(-synapses // target.synapses_per_chip))
    problems = [problem for layer in layers for problem in _overfull(layer)]
    for layer, pattern, width in zip(layers, patterns, bits, strict=True):
        problems += layer_problems(layer.name, chain, pattern, width, target)
    problems += network_problems(chain, target)
    if target.fan_out_cores is not None:
        problems += _too_many_destinations(layers, target.fan_out_cores)
    if target.placement != "split" and n_chips > 1:
        problems.append(f"{n_cores} layers need a core each; {target.title} has {target.cores_per_chip} cores")
    mapping = Mapping(target, tuple(layers), n_cores, n_chips, tuple(problems))
    return replace(mapping, advice=tuple(_advice(mapping)))


def _kinds_of_cores(chain: Chain, patterns: Sequence[sparse.csr_array], target: Target) -> list[Core]:
    """Kind of core for each layer: where kinds differ, an assignment that fits as many layers as possible."""
    if len(target.cores) == 1:
        return [target.cores[0]] * len(chain.layers)
    places = [core for core in target.cores for _ in range(core.count)]
    fits = [
        [
            layer.n_neurons <= (core.neurons or layer.n_neurons) and pattern.nnz <= (core.synapses or pattern.nnz)
            for core in places
        ]
        for layer, pattern in zip(chain.layers, patterns, strict=True)
    ]
    match = sparse.csgraph.maximum_bipartite_matching(sparse.csr_array(np.array(fits)), perm_type="column")
    largest = max(places, key=lambda core: core.synapses or 0)
    return [places[place] if place >= 0 else largest for place in match]


def _destinations(patterns: Sequence[sparse.csr_array], following: LayerMapping | None, index: int) -> Array:
    """To how many cores of the next layer each neuron of a layer sends."""
    counts = np.zeros(patterns[index].shape[0], dtype=np.int64)
    if following is not None:
        pattern = patterns[index + 1]
        for block in following.blocks:
            counts[np.unique(pattern.indices[pattern.indptr[block.start] : pattern.indptr[block.stop]])] += 1
    return counts


def _map_layer(
    layer: ChainLayer, pattern: sparse.csr_array, bits: int | None, core: Core, destinations: Array
) -> LayerMapping:
    """Cut a layer into blocks, each taking neurons until a resource of its core is used up."""
    blocks: list[Block] = []
    bottlenecks = []
    start, window = 0, 16
    while start < layer.n_neurons:
        end = min(start + window, layer.n_neurons)
        use = _Use(pattern, bits, destinations, start, end)
        stop, bottleneck = use.largest_block(core)
        if bottleneck is None and end < layer.n_neurons:
            window *= 2
            continue
        blocks.append(Block(start, stop, use.of(stop)))
        bottlenecks += [bottleneck] if bottleneck else []
        start = stop
    first = bottlenecks[0] if bottlenecks else None
    return LayerMapping(layer.name, layer.n_neurons, int(pattern.nnz), bits, core, tuple(blocks), first)


def _whole(layer: LayerMapping, pattern: sparse.csr_array, destinations: Array) -> LayerMapping:
    """Undo the cuts, for machines that do not spread layers."""
    use = _Use(pattern, layer.weight_bits, destinations, 0, layer.n_neurons)
    return replace(layer, blocks=(Block(0, layer.n_neurons, use.of(layer.n_neurons)),))


class _Use:
    """What the first neurons of a range take of a core, by how many they are."""

    def __init__(self, pattern: sparse.csr_array, bits: int | None, destinations: Array, start: int, end: int) -> None:
        indptr = pattern.indptr[start : end + 1].astype(np.int64)
        synapses = indptr[1:] - indptr[0]
        # A source is counted by the first neuron that needs it.
        _, first = np.unique(pattern.indices[indptr[0] : indptr[-1]], return_index=True)
        rows = np.searchsorted(synapses, first, side="right")
        self._start = start
        self._totals: dict[str, Array] = {
            "neurons": np.arange(1, end - start + 1),
            "synapse_bits": synapses * (bits or 0),
            "synapses": synapses,
            "in_axons": np.bincount(rows, minlength=end - start).cumsum(),
            "out_axons": destinations[start:end].cumsum(),
        }

    def largest_block(self, core: Core) -> tuple[int, str | None]:
        """End of the largest block that fits, at least one neuron, and what ends it."""
        n_neurons, bottleneck = len(self._totals["neurons"]), None
        for resource, totals in self._totals.items():
            limit = getattr(core, resource)
            fitting = n_neurons if limit is None else int(np.searchsorted(totals, limit, side="right"))
            if fitting < n_neurons:
                n_neurons, bottleneck = fitting, resource
        return self._start + max(1, n_neurons), bottleneck

    def of(self, stop: int) -> dict[str, int]:
        """Use of a block that ends before `stop`."""
        return {resource: int(totals[stop - self._start - 1]) for resource, totals in self._totals.items()}


RESOURCES = {
    "neurons": "neurons",
    "synapse_bits": "bits of weights",
    "synapses": "synapses",
    "in_axons": "input axons",
    "out_axons": "output axons",
}


def _overfull(layer: LayerMapping) -> list[str]:
    """Name the resources of which a block takes more than its core has."""
    problems = []
    for resource, unit in RESOURCES.items():
        limit = getattr(layer.core, resource)
        most = max(block.used[resource] for block in layer.blocks)
        if limit is not None and most > limit:
            what = "one neuron" if len(layer.blocks) > 1 or layer.n_neurons == 1 else "the layer"
            problems.append(f"{layer.name}: {what} takes {most} {unit}, a core has {limit}: {most - limit} too many")
    return problems


def _too_many_destinations(layers: Sequence[LayerMapping], limit: int) -> list[str]:
    """Name layers whose neurons would send to more cores than they can."""
    return [
        f"{sender.name}: its neurons send to {len(receiver.blocks)} cores of {receiver.name}, they can to {limit}: "
        f"each would need {-(-len(receiver.blocks) // limit)} copies"
        for sender, receiver in pairwise(layers)
        if len(receiver.blocks) > limit
    ]


def _advice(mapping: Mapping) -> list[str]:
    """Say what would make a network smaller on this machine."""
    advice = []
    for layer in mapping.layers:
        if layer.bottleneck in ("synapse_bits", "synapses") and len(layer.blocks) > 1:
            held = layer.blocks[0].neurons
            most = f" of {layer.core.neurons}" if layer.core.neurons else ""
            fewer = "fewer weight bits, " if layer.bottleneck == "synapse_bits" else ""
            advice.append(
                f"{layer.name}: memory for weights limits a core to {held}{most} neurons; {fewer}a smaller input or "
                "weights that are 0 would need fewer cores"
            )
        if layer.weight_bits is None and mapping.target.weight_bits is not None:
            advice.append(f"{layer.name}: quantise the weights first: ff2neuro export FILE.nir --weight-bits 8")
        if layer.bottleneck == "in_axons":
            advice.append(
                f"{layer.name}: use fewer inputs (a smaller image, or pooling), at most {layer.core.in_axons}"
            )
        if layer.bottleneck == "out_axons":
            advice.append(f"{layer.name}: narrow the layer after it, whose {layer.name} neurons need an axon per core")
    return list(dict.fromkeys(advice))
