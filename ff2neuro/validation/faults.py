"""Finding what is wrong: the file against the model it was made from, and the machine against a simulation of the file.

Agreement of latents says how well a network survived as a whole. These two checks name the layer and the neuron.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, SpikingLayer, SpikingNetwork
from ff2neuro.recording import Recording
from ff2neuro.validation.spikes import SpikeComparison, compare_recordings

__all__ = ["file_findings", "replay", "replay_findings"]

Array = npt.NDArray[Any]

#: Images of a recording that are simulated anew, and bins of its widest layer that they may take.
MAX_REPLAYED = 16
MAX_REPLAYED_BINS = 2**24
#: How far a neuron's scale may lie from its layer's before it is named.
SCALE_TOLERANCE = 0.05
#: Deviation from a multiple of the model's weight that rounding to integers explains, in units of the integer codes.
ROUNDING = 1.0
#: The same where weights are not integers, as a share of the layer's largest weight.
FLOAT_ROUNDING = 1e-4


def file_findings(analog: AnalogNetwork, spiking: SpikingNetwork) -> Iterator[str]:
    """Compare weights, thresholds and label codes of a file with the model.

    A neuron's weights divided by its threshold are, up to rounding, the model's weights times one scale per layer.

    Parameters
    ----------
    analog, spiking : AnalogNetwork, SpikingNetwork
        Model and file, of the same shape.

    Yields
    ------
    str
        A sentence for everything that rounding does not explain.
    """
    codes = analog.label_codes.codes, spiking.input_code.label_codes.codes
    if not np.array_equal(*codes):
        same_shape = codes[0].shape == codes[1].shape
        labels = np.flatnonzero((codes[0] != codes[1]).any(axis=1)) if same_shape else range(len(codes[0]))
        which = ", ".join(str(label) for label in labels)
        yield f"label codes of the NIR file differ from the model's for the classes {which}"
    if analog.head != spiking.head:
        yield f"the NIR file reads goodness by {spiking.head}, the model by {analog.head}"
    for index, (weight, layer) in enumerate(zip(analog.weights, spiking.layers, strict=True)):
        yield from _layer_findings(f"layer {index}", weight.astype(np.float64), layer)


def _layer_findings(name: str, weight: Array, layer: SpikingLayer) -> Iterator[str]:
    integral = bool((layer.weight == np.round(layer.weight)).all())
    scales = _scales(weight, layer.weight) / layer.v_threshold
    known = np.isfinite(scales)
    typical = float(np.median(scales[known])) if known.any() else 0.0
    if typical <= 0:
        yield f"{name}: the weights of the NIR file are not those of the model"
        return
    # What every weight should be, with one scale for the layer and the neuron's own threshold.
    expected = weight * (typical * layer.v_threshold)[:, None]
    rounding = ROUNDING / 2 / _typical_magnitude(expected) if integral else 0.0
    odd = known & (np.abs(scales / typical - 1) > SCALE_TOLERANCE + rounding)
    if odd.any():
        neuron = int(np.where(odd, np.abs(scales / typical - 1), 0).argmax())
        yield (
            f"{name}: weights over threshold of {int(odd.sum())} neurons are out of scale with the model, most of all "
            f"neuron {neuron} by a factor of {scales[neuron] / typical:.2f} (threshold {layer.v_threshold[neuron]:g})"
        )
    tolerance = ROUNDING if integral else FLOAT_ROUNDING * float(np.abs(layer.weight).max())
    error = np.where(odd[:, None], 0, np.abs(layer.weight - expected))
    if (error > tolerance).any():
        neuron, source = (int(position) for position in np.unravel_index(int(error.argmax()), error.shape))
        found, wanted = layer.weight[neuron, source], expected[neuron, source]
        yield (
            f"{name}: {int((error > tolerance).sum())} weights are not the model's, the furthest off at neuron "
            f"{neuron}, input {source}: {found:.4g} where {wanted:.4g} is expected"
        )


def _large(weight: Array) -> Array:
    """Mark each neuron's larger half of weights, which rounding changes least."""
    magnitude = np.abs(weight)
    large: Array = (magnitude >= np.median(magnitude, axis=1, keepdims=True)) & (magnitude > 0)
    return large


def _scales(weight: Array, other: Array) -> Array:
    """Ratio of two weight matrices per neuron; NaN for one without weights.

    The median, so that single changed weights do not move it.
    """
    ratios = np.divide(other, weight, out=np.full(weight.shape, np.nan), where=_large(weight))
    scales = np.full(len(weight), np.nan)
    known = _large(weight).any(axis=1)
    scales[known] = np.nanmedian(ratios[known], axis=1)
    return scales


def _typical_magnitude(weight: Array) -> Array:
    """Median magnitude of each neuron's larger half of weights; infinite for one without weights."""
    magnitudes = np.where(_large(weight), np.abs(weight), np.nan)
    typical = np.full(len(weight), np.inf)
    known = _large(weight).any(axis=1)
    typical[known] = np.nanmedian(magnitudes[known], axis=1)
    return typical


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
    config = RunConfig(dt=spiking.dt, reset=spiking.reset, record=recording.header.kind)
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
