"""Finding what is wrong: the file against the model it was made from, and the machine against a simulation of the file.

Agreement of latents says how well a network survived as a whole. These two checks name the layer and the neuron.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, SpikingNetwork
from ff2neuro.recording import Recording, RecordingHeader
from ff2neuro.validation.layers import LayerFigures
from ff2neuro.validation.run_config import run_config
from ff2neuro.validation.spikes import SpikeComparison, compare_recordings
from ff2neuro.validation.trained import TrainedNetwork, label_codes
from ff2neuro.validation.weights import weight_findings

__all__ = [
    "exact_expected",
    "file_findings",
    "gain_findings",
    "replay",
    "replay_findings",
    "replay_is_fault",
    "silence_findings",
]

Array = npt.NDArray[Any]

#: Images of a recording that are simulated anew, and bins of its widest layer that they may take.
MAX_REPLAYED = 16
MAX_REPLAYED_BINS = 2**24
#: Share of spikes that may differ where machine and simulation round differently.
MAX_ROUNDING_MISMATCH = 0.01
#: Factor by which the activity that a spike stands for may differ from the file's before that is a fault: images unlike
#: those of the calibration shift it too, a threshold that was doubled by 2.
MAX_GAIN_FACTOR = 1.5


def file_findings(trained: TrainedNetwork, spiking: SpikingNetwork) -> Iterator[str]:
    """Compare a file with what was exported, by its checksums, and with the model.

    Parameters
    ----------
    trained, spiking : AnalogNetwork or SpikingNetwork, SpikingNetwork
        Model and file, of the same shape.

    Yields
    ------
    str
        A sentence for everything that rounding does not explain.
    """
    for index, (layer, expected) in enumerate(zip(spiking.layers, spiking.checksums or (), strict=False)):
        if layer.checksum != expected:
            yield (
                f"layer {index}: weights, thresholds, leak, reset or readout in the NIR file were changed after "
                "the export; export the run again"
            )
    codes = label_codes(trained).codes, spiking.input_code.label_codes.codes
    if not np.array_equal(*codes):
        same_shape = codes[0].shape == codes[1].shape
        labels = np.flatnonzero((codes[0] != codes[1]).any(axis=1)) if same_shape else range(len(codes[0]))
        which = ", ".join(str(label) for label in labels)
        yield f"label codes of the NIR file differ from the model's for the classes {which}"
    if trained.head != spiking.head:
        yield f"the NIR file reads goodness by {spiking.head}, the model by {trained.head}"
    # Fine-tuning moves weights away from the model's by design: what it left is what they have to be.
    tuned = spiking.fine_tuned_checksums
    for index, (weight, layer) in enumerate(zip(_weights(trained), spiking.layers, strict=True)):
        if tuned is None:
            yield from weight_findings(f"layer {index}", weight, layer)
        elif tuned[index : index + 1] != (layer.checksum,):
            yield f"layer {index}: weights, thresholds, leak, reset or readout are not what fine-tuning left"
    if isinstance(trained, SpikingNetwork):
        yield from _dynamics_findings(trained, spiking)


def _weights(network: TrainedNetwork) -> list[Array]:
    return list(network.weights) if isinstance(network, AnalogNetwork) else [layer.weight for layer in network.layers]


def _dynamics_findings(trained: SpikingNetwork, spiking: SpikingNetwork) -> Iterator[str]:
    """Compare what no conversion may change of a network that learned in spiking neurons."""
    if trained.trace != spiking.trace:
        yield f"the NIR file is read out by {spiking.trace}, the model by {trained.trace}"
    code, own = spiking.input_code, trained.input_code
    for what, found, expected in (
        ("time steps", spiking.n_time_steps, trained.n_time_steps),
        ("input coding", code.coding, own.coding),
        ("input scale", code.scale, own.scale),
        ("seed of the input", code.seed, own.seed),
        *(
            (f"leak of layer {index}, in 1/4096", layer.leak, other.leak)
            for index, (layer, other) in enumerate(zip(spiking.layers, trained.layers, strict=True))
        ),
    ):
        if found != expected:
            yield f"{what}: {found} in the NIR file, {expected} in the model"


def replay(spiking: SpikingNetwork, recording: Recording, images: Array) -> SpikeComparison:
    """Simulate the first images anew and compare with the recording.

    Parameters
    ----------
    spiking : SpikingNetwork
        What the machine was given.
    recording : Recording
        What it did.
    images : ndarray of shape (n_images, n_pixels)
        What was presented.

    Returns
    -------
    SpikeComparison
        The simulation first, the recording second.
    """
    widest = max(layer.n_neurons for layer in spiking.layers)
    bins = recording.header.n_hypotheses * spiking.n_time_steps * widest
    n_images = min(len(images), MAX_REPLAYED, max(1, MAX_REPLAYED_BINS // bins))
    source = encode(spiking.input_code, images[:n_images], spiking.n_time_steps)
    config = run_config(spiking, record=recording.header.kind)
    backend = ReferenceBackend("float" if recording.header.arithmetic == "float" else "auto")
    with backend.run(to_nir(spiking, "native"), source, config) as expected:
        return compare_recordings(expected, recording, n_images)


def replay_findings(comparison: SpikeComparison) -> Iterator[str]:
    """Say where a recording leaves the simulation of its file.

    Parameters
    ----------
    comparison : SpikeComparison
        As `replay` gives it.

    Yields
    ------
    str
        Nothing if nothing differs.
    """
    if comparison.first is None:
        return
    if comparison.lag is not None:
        steps = f"{abs(comparison.lag)} step{'s' if abs(comparison.lag) > 1 else ''}"
        yield f"the machine is {steps} {'late' if comparison.lag > 0 else 'early'} against the simulation of the file"
        return
    layer = next(layer for layer in comparison.layers if layer.n_differing)
    neurons = ", ".join(str(neuron) for neuron in layer.differing_neurons[:5])
    more = ", ..." if layer.n_differing_neurons > 5 else ""
    yield (
        f"the machine leaves the simulation of the file first in {layer.name}: {layer.n_differing_neurons} neurons "
        f"({neurons}{more}); simulated against recorded at {comparison.first}"
    )


def exact_expected(spiking: SpikingNetwork, header: RecordingHeader) -> bool:
    """Say whether a machine must give the very spikes that a simulation of the file gives.

    Parameters
    ----------
    spiking : SpikingNetwork
        What the machine was given.
    header : RecordingHeader
        What its recording says of it.

    Returns
    -------
    bool
        True in fixed-point arithmetic, and where sums of integers without leak are exact in any arithmetic.
    """
    integral = all((layer.weight == np.round(layer.weight)).all() and not layer.leak for layer in spiking.layers)
    return header.arithmetic == "fixed" or header.backend == ReferenceBackend.name or integral


def replay_is_fault(comparison: SpikeComparison, *, exact: bool) -> bool:
    """Say whether what a machine did differently cannot be its rounding.

    Parameters
    ----------
    comparison : SpikeComparison
        As `replay` gives it.
    exact : bool
        As `exact_expected` gives it.

    Returns
    -------
    bool
        Whether anything differs, or more than rounding explains.
    """
    if exact or comparison.lag is not None:
        return comparison.first is not None
    return comparison.n_differing > MAX_ROUNDING_MISMATCH * comparison.n_compared


def gain_findings(layers: tuple[LayerFigures, ...]) -> Iterator[str]:
    """Say in which layer spikes stand for another activity than the file says: its threshold or gain is off.

    Parameters
    ----------
    layers : tuple of LayerFigures
        First layer to last.

    Yields
    ------
    str
        A sentence on the first such layer; those after it only follow.
    """
    for layer in layers:
        ratio = layer.gain_ratio
        if ratio is not None and not 1 / MAX_GAIN_FACTOR <= ratio <= MAX_GAIN_FACTOR:
            yield (
                f"{layer.name}: a spike stands for {ratio:.2f} times the activity that the file says; its thresholds, "
                "its gain or what drives it is off"
            )
            return


def silence_findings(layers: tuple[LayerFigures, ...]) -> Iterator[str]:
    """Say which layers lost neurons.

    Parameters
    ----------
    layers : tuple of LayerFigures
        First layer to last.

    Yields
    ------
    str
        A sentence for each layer in which more neurons are silent than in the model.
    """
    for layer in layers:
        lost = layer.n_silent_spiking - layer.n_silent_analog
        if layer.n_silent_spiking == layer.n_neurons:
            yield f"{layer.name} never spikes"
        elif lost > 0:
            silent = f"{layer.n_silent_spiking} of {layer.n_neurons} neurons never spike"
            yield f"{layer.name}: {silent}, {lost} more than in the model"
