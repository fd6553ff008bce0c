"""`auto` takes the smallest setting that keeps the accuracy, says what it cost, and never looks at test images."""

from dataclasses import replace

import numpy as np
import pytest

from ff2neuro.converters.choice import HeldOut, choose, two_standard_errors
from ff2neuro.converters.rate import ConversionConfig, sweep
from ff2neuro.converters.simulation import predict
from ff2neuro.errors import ConfigurationError, DatasetError


@pytest.fixture
def held_out(network, rng):
    # The network's own answers: it is always right, and every change of mind costs.
    images = rng.random((150, 16), dtype=np.float32)
    return HeldOut(images, network.predict(images))


def lost(network, held_out):
    changed = 100.0 * (predict(network, held_out.images) != held_out.labels)
    return changed.mean() + two_standard_errors(changed)


def test_fewest_steps_that_meet_the_tolerance_are_chosen(network, images, held_out):
    steps = (1, 2, 4, 8, 16, 32)
    losses = {
        config.n_time_steps: lost(spiking, held_out)
        for config, spiking in sweep(network, images, [ConversionConfig(n_time_steps=T) for T in steps])
    }
    tolerance = 0.5 * (losses[4] + losses[32])
    expected = next(T for T in steps if losses[T] <= tolerance)
    assert expected > 1
    config, spiking = choose(network, images, held_out, ConversionConfig(), tolerance_pp=tolerance, steps=steps)
    assert config.n_time_steps == spiking.n_time_steps == expected
    assert lost(spiking, held_out) == losses[expected]
    assert f"time steps chosen: {expected}, " in spiking.notes[-1]
    assert "150 training images that were not used" in spiking.notes[-1]


def test_narrowest_weights_are_chosen_at_the_steps_found(network, images, held_out):
    rounding = ConversionConfig(reset="subtract", initial_potential=0.5)
    config, spiking = choose(network, images, held_out, rounding, tolerance_pp=35.0, steps=(64,), weight_bits=(2, 4, 8))
    assert config.n_time_steps == 64
    for bits in (bits for bits in (2, 4) if bits < config.weight_bits):
        (_, narrower), *_ = sweep(network, images, [replace(rounding, n_time_steps=64, weight_bits=bits)])
        assert lost(narrower, held_out) > 35.0
    assert lost(spiking, held_out) <= 35.0
    assert np.abs(spiking.layers[0].weight).max() <= 2 ** (config.weight_bits - 1) - 1


def test_nothing_good_enough_is_an_error_with_the_figures(network, images, held_out):
    with pytest.raises(ConfigurationError, match=r"no number of time steps .*at 1: \d+.*--tolerance"):
        choose(network, images, held_out, ConversionConfig(), tolerance_pp=5.0, steps=(1,))


def test_tolerance_and_held_out_images_must_make_sense(network, images, held_out):
    with pytest.raises(ConfigurationError, match=r"tolerance is -1 .*0\.\.100"):
        choose(network, images, held_out, ConversionConfig(), tolerance_pp=-1, steps=(1,))
    with pytest.raises(ConfigurationError, match=r"150 held-out images show no less than 1\.3; .*--held-out"):
        choose(network, images, held_out, ConversionConfig(), tolerance_pp=1.0, steps=(1,))
    with pytest.raises(DatasetError, match="0 held-out images"):
        HeldOut(images[:0], np.zeros(0, dtype=int))


def test_no_disagreement_on_few_images_is_not_certainty():
    assert two_standard_errors(np.zeros(100)) == pytest.approx(2.0)
    assert two_standard_errors(np.repeat([100.0, -100.0, 0.0], [2, 1, 9997])) == pytest.approx(0.04)
