"""Figures under the neutral label, the mean of all codes."""

import numpy as np
import pytest

from ff2neuro.analysis import mean_hoyer_index, nearest_neighbours, separability
from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, one_hot_label_codes
from ff2neuro.validation import Thresholds, validate
from ff2neuro.validation.neutral import neutral_source


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(5)
    weights = (rng.normal(0.1, 1.0, size=(20, 16 + 4)), rng.normal(0.05, 1.0, size=(10, 20)))
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0, 1))
    analog = AnalogNetwork(weights, one_hot_label_codes(4, strength=2.0), head, image_shape=(4, 4))
    images = rng.random((30, 16), dtype=np.float32)
    return analog, convert(analog, images, ConversionConfig(n_time_steps=8)), images


def judge(case, neutral):
    analog, spiking, images = case
    source = encode(spiking.input_code, images, spiking.n_time_steps)
    labels = np.arange(30) % 4
    with ReferenceBackend().run(to_nir(spiking), source) as recording:
        return validate(analog, spiking, recording, images, labels, Thresholds(), neutral)


def test_neutral_code_is_the_mean_rounded_to_integers(case):
    _, spiking, images = case
    events = neutral_source(spiking, images).read(0, 30)
    # A quarter of an amplitude of 2 times 15.
    assert events.shape == (30, 1, 1, 20)
    assert (events[..., 16:] == round(30 / 4)).all()


def test_figures_are_those_of_latents_under_the_mean_code(case):
    analog, spiking, images = case
    with ReferenceBackend().run(to_nir(spiking), neutral_source(spiking, images)) as neutral:
        layers = judge(case, neutral).layers
        counts = [neutral.counts(name)[:, 0] for name in neutral.layer_names]
    latents = analog.latents(images, np.full((1, 4), 0.5, dtype=np.float32))
    labels = np.arange(30) % 4
    for layer, latent, count, own in zip(layers, latents, counts, spiking.layers, strict=True):
        assert layer.hoyer_analog_neutral == pytest.approx(mean_hoyer_index(latent[:, 0]), abs=1e-6)
        assert layer.hoyer_spiking_neutral == pytest.approx(mean_hoyer_index(count * own.gain), abs=1e-6)
        expected = separability(labels, nearest_neighbours(latent[:, 0]))
        assert layer.separability_analog_neutral == pytest.approx(expected)


def test_without_a_neutral_recording_they_are_not_computed(case):
    layer = judge(case, None).layers[0]
    assert layer.hoyer_spiking_neutral is None
    assert layer.separability_analog_neutral is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images[:-1], "images, hypotheses, steps and layers"),
        (lambda images: images[::-1], "the same, but in another order"),
    ],
)
def test_neutral_recording_of_other_images_is_refused(case, change, message):
    _, spiking, images = case
    with (
        ReferenceBackend().run(to_nir(spiking), neutral_source(spiking, change(images))) as neutral,
        pytest.raises(ConfigurationError, match=message),
    ):
        judge(case, neutral)
