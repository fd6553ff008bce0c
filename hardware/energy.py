"""What a network would cost on a machine: counted operations times published constants. An estimate, not a measurement.

Operations are counted in a real recording: a spike makes one synaptic operation at every synapse that leaves its
neuron, and every neuron is advanced at every time step. Several spikes in one step count singly; a machine that sends
their number in one message needs fewer operations. Constants stand with the machine, each with its source; where
several sources exist, all are used, and their spread is the least that is uncertain. Energy at rest, transport off the
chip and of input, and host processors are in none of them.
"""

from dataclasses import dataclass

import numpy as np

from ff2neuro.errors import ConfigurationError, GraphError
from ff2neuro.hardware.chain import Chain
from ff2neuro.hardware.mapping import Mapping
from ff2neuro.hardware.targets import Target
from ff2neuro.recording import Recording

__all__ = [
    "PROCESSORS",
    "Activity",
    "Estimate",
    "LayerActivity",
    "Processor",
    "analog_macs",
    "count_activity",
    "estimate_energy",
    "estimate_latency",
]

#: Images whose counts are read at once.
CHUNK = 1000


@dataclass(frozen=True)
class Processor:
    """A conventional processor.

    Attributes
    ----------
    name : str
        What it is.
    mac : float
        Energy of one multiply-accumulate operation [J].
    source : str
        Where the figure stands.
    """

    name: str
    mac: float
    source: str


_DEGNAN = "Degnan, Marr and Hasler 2015, doi:10.1109/TVLSI.2015.2392942, as used by keras-spiking at 1384ec3"
#: What the analog network is reckoned on.
PROCESSORS = (
    Processor("CPU (Intel i7-4960X)", 8.6e-9, _DEGNAN),
    Processor("GPU (Nvidia GTX Titan Black, large batches)", 0.3e-9, _DEGNAN),
    Processor("ARM Cortex-A", 0.9e-9, _DEGNAN),
)


@dataclass(frozen=True)
class LayerActivity:
    """Mean operations of one layer in one presentation.

    Attributes
    ----------
    name : str
        Name of the layer.
    synops : float
        Synaptic operations at its neurons.
    updates : int
        Neurons times time steps.
    spikes : float
        Spikes that it sends.
    """

    name: str
    synops: float
    updates: int
    spikes: float


@dataclass(frozen=True)
class Activity:
    """Mean operations of a network in one presentation: one image under one label hypothesis.

    Attributes
    ----------
    n_images, n_hypotheses, n_time_steps : int
        Of the recording.
    input_events : float
        Input events other than 0.
    layers : tuple of LayerActivity
        First to last.
    """

    n_images: int
    n_hypotheses: int
    n_time_steps: int
    input_events: float
    layers: tuple[LayerActivity, ...]

    @property
    def synops(self) -> float:
        """Synaptic operations of all layers."""
        return sum(layer.synops for layer in self.layers)

    @property
    def updates(self) -> int:
        """Neuron updates of all layers."""
        return sum(layer.updates for layer in self.layers)

    @property
    def spikes(self) -> float:
        """Spikes of all layers."""
        return sum(layer.spikes for layer in self.layers)


@dataclass(frozen=True)
class Estimate:
    """A cost by one source.

    Attributes
    ----------
    name, source : str
        Short name of the source, and where its figures stand.
    per_pass : float
        Cost of one presentation [J or s].
    per_inference : float
        Cost of an image under all label hypotheses, one after another [J or s].
    """

    name: str
    source: str
    per_pass: float
    per_inference: float


def count_activity(chain: Chain, recording: Recording) -> Activity:
    """Count operations in a recording.

    Parameters
    ----------
    chain : Chain
        The network that was recorded.
    recording : Recording
        What it did.

    Returns
    -------
    Activity
        Means over all presentations. Input channels whose weights are partly 0 are taken to have the mean fan-out.

    Raises
    ------
    GraphError
        If the recording is one of another network.
    ConfigurationError
        If the recording holds no presentation, or does not say how many input events there were.
    """
    header = recording.header
    if dict(header.layers) != chain.layer_sizes:
        raise GraphError(
            f"the recording has layers {dict(header.layers)}, the graph {chain.layer_sizes}; "
            "record this graph: ff2neuro run FILE.nir --out RECORDING.h5"
        )
    most = max(layer.neurons.max_spikes_per_step for layer in chain.layers)
    if header.max_spikes_per_step != most:
        raise GraphError(
            f"neurons of the recording send up to {header.max_spikes_per_step} spikes in a step, those of the graph "
            f"{most}; record this graph: ff2neuro run FILE.nir --out RECORDING.h5"
        )
    n_presentations = header.n_images * header.n_hypotheses
    if n_presentations == 0:
        raise ConfigurationError("the recording holds no presentation, so there are no operations to count")
    events = recording.input_events
    if events is None:
        raise ConfigurationError(
            f"the recording of {header.backend} does not say how many input events there were, which the first layer's "
            "synaptic operations need; record again: ff2neuro run FILE.nir --out RECORDING.h5"
        )
    sent = [float(events.sum()) / n_presentations * np.ones(1)]
    sent += [_mean_spikes(recording, name, n_presentations) for name in header.layers]
    layers = []
    for index, layer in enumerate(chain.layers):
        fan_out = np.count_nonzero(layer.weight, axis=0)
        reached = sent[index] @ (fan_out if index else np.array([fan_out.mean()]))
        updates = layer.n_neurons * header.n_time_steps
        layers.append(LayerActivity(layer.name, float(reached), updates, float(sent[index + 1].sum())))
    return Activity(header.n_images, header.n_hypotheses, header.n_time_steps, float(sent[0][0]), tuple(layers))


def _mean_spikes(
    recording: Recording, layer: str, n_presentations: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Spikes of every neuron of a layer in a presentation, shape (n_neurons,)."""
    total = np.zeros(recording.header.layers[layer], dtype=np.int64)
    for start in range(0, recording.header.n_images, CHUNK):
        stop = min(start + CHUNK, recording.header.n_images)
        total += recording.counts(layer, start, stop).sum(axis=(0, 1), dtype=np.int64)
    return total / n_presentations


def estimate_energy(activity: Activity, target: Target) -> tuple[Estimate, ...]:
    """Estimate the energy of a presentation.

    Parameters
    ----------
    activity : Activity
        Counted operations.
    target : Target
        The machine.

    Returns
    -------
    tuple of Estimate
        One for each published set of constants [J]; empty if there is none.
    """
    costs = [
        (model, activity.synops * model.synop + activity.updates * model.update + activity.spikes * model.spike)
        for model in target.energy
    ]
    return tuple(Estimate(model.name, model.source, cost, cost * activity.n_hypotheses) for model, cost in costs)


def estimate_latency(activity: Activity, mapping: Mapping) -> tuple[Estimate, ...]:
    """Estimate how long a presentation takes.

    At each step all cores wait for the busiest one and then for each other. A layer's operations are taken to be
    spread over its steps evenly, and over its cores as its neurons are. A layer answers one step after the layer
    before it.

    Parameters
    ----------
    activity : Activity
        Counted operations.
    mapping : Mapping
        The network on the machine.

    Returns
    -------
    tuple of Estimate
        One for each published set of constants [s]; empty if there is none.
    """
    n_steps = activity.n_time_steps + len(activity.layers)
    estimates = []
    for model in mapping.target.latency:
        busiest = 0.0
        for layer, placed in zip(activity.layers, mapping.layers, strict=True):
            share = max(block.neurons for block in placed.blocks) / placed.n_neurons
            work = layer.synops * model.synop + layer.updates * model.update + layer.spikes * model.spike
            busiest = max(busiest, work * share / activity.n_time_steps)
        cost = n_steps * (busiest + model.step)
        estimates.append(Estimate(model.name, model.source, cost, cost * activity.n_hypotheses))
    return tuple(estimates)


def analog_macs(chain: Chain) -> int:
    """Count the multiply-accumulate operations of the analog network in one pass: one for each weight.

    Parameters
    ----------
    chain : Chain
        The network, whose layers the analog one shares.

    Returns
    -------
    int
        Operations per label pass. A program that computes the image's part of the first layer once for all labels
        needs fewer.
    """
    return sum(layer.weight.size for layer in chain.layers)
