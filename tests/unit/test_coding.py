"""Encoders are right on average, repeatable, and independent of chunks; the readout inverts the gains."""

import numpy as np
import pytest

from ff2neuro.coding import encode, input_energy, scores, spiking_latents
from ff2neuro.errors import ConfigurationError, DatasetError
from ff2neuro.networks import GoodnessHead, InputCode, SpikingLayer, SpikingNetwork, one_hot_label_codes

CODINGS = {"constant": 15.0, "regular": 0.8, "bernoulli": 0.8}


def code(coding, **changes):
    labels = one_hot_label_codes(3, strength=0.5)
    return InputCode(
        **{"coding": coding, "scale": CODINGS[coding], "label_codes": labels, "image_shape": (4,), **changes}
    )


@pytest.fixture
def images(rng):
    return rng.random((6, 4), dtype=np.float32)


def whole(source):
    return source.read(0, source.n_images)


@pytest.mark.parametrize("coding", CODINGS)
def test_mean_event_is_the_scaled_value(coding, images):
    n_time_steps = 4000
    events = whole(encode(code(coding), images, n_time_steps)).astype(np.float64).mean(axis=2)
    # Graded input is rounded to an integer; rounding counts errs by half a spike; draws by five standard errors.
    tolerance = {"constant": 0.5, "regular": 0.5 / n_time_steps, "bernoulli": 5 * 0.5 / n_time_steps**0.5}[coding]
    expected = np.broadcast_to(images[:, None] * CODINGS[coding], (6, 3, 4))
    np.testing.assert_allclose(events[..., :4], expected, atol=tolerance + 1e-6)
    labels = np.broadcast_to(np.eye(3) * 0.5 * CODINGS[coding], (6, 3, 3))
    np.testing.assert_allclose(events[..., 4:], labels, atol=tolerance + 1e-6)


@pytest.mark.parametrize("coding", CODINGS)
def test_chunks_do_not_change_events(coding, images):
    source = encode(code(coding), images, 16)
    chunks = [events for _, events in source.chunks(4)]
    np.testing.assert_array_equal(np.concatenate(chunks), whole(source))
    assert [len(chunk) for chunk in chunks] == [4, 2]


def test_constant_input_is_the_same_at_every_step(images):
    source = encode(code("constant"), images, 16)
    assert source.constant
    assert whole(source).shape == (6, 3, 1, 7)


def test_regular_spikes_are_evenly_spaced():
    image = np.array([[0.25, 0.5, 1.0, 0.0]], dtype=np.float32)
    events = whole(encode(code("regular", scale=1.0), image, 16))[0, 0]
    for channel, gap in ((0, 4), (1, 2), (2, 1)):
        assert set(np.diff(np.flatnonzero(events[:, channel]))) == {gap}
    assert not events[:, 3].any()


def test_bernoulli_draws_depend_on_the_seed_alone(images):
    first, again = (whole(encode(code("bernoulli", seed=5), images, 16)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != whole(encode(code("bernoulli", seed=6), images, 16))).any()


def test_hypotheses_share_the_spikes_of_the_image(images):
    events = whole(encode(code("bernoulli"), images, 16))
    np.testing.assert_array_equal(events[:, 0, :, :4], events[:, 2, :, :4])


def test_no_images_give_no_events():
    for coding in CODINGS:
        source = encode(code(coding), np.zeros((0, 4), dtype=np.float32), 5)
        assert source.n_images == 0
        assert list(source.chunks(3)) == []


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_pixels_out_of_range_are_refused(images, bad):
    images = images.copy()
    images[1, 1] = bad
    with pytest.raises(DatasetError, match="leave the range"):
        encode(code("constant"), images, 4)


def test_other_images_and_no_steps_are_refused(images):
    with pytest.raises(DatasetError, match="4; use the data set"):
        encode(code("constant"), np.zeros((1, 5), dtype=np.float32), 4)
    with pytest.raises(ConfigurationError, match="at least 1"):
        encode(code("constant"), images, 0)


def test_readout_scales_counts_and_sums_votes(rng):
    head = GoodnessHead("sigmoid", alpha=1.0, theta=0.5, voting_layers=(0, 1))
    layers = (
        SpikingLayer(np.ones((2, 7)), np.array(1.5), gain=0.5),
        SpikingLayer(np.ones((2, 2)), np.array(1.5), gain=2.0),
    )
    network = SpikingNetwork(layers, code("constant"), head, n_time_steps=8)
    counts = [np.array([[[2, 0]]]), np.array([[[1, 1]]])]
    assert [latent.tolist() for latent in spiking_latents(network, counts)] == [[[[1.0, 0.0]]], [[[2.0, 2.0]]]]
    # G_1 = 1, G_2 = 8 / 1.
    expected = 1 / (1 + np.exp(-0.5)) + 1 / (1 + np.exp(-7.5))
    assert scores(network, counts, np.ones((1, 1))).item() == pytest.approx(expected)


def test_input_energy_counts_image_and_label():
    energy = input_energy(code("constant"), np.array([[1.0, 0.0, 0.5, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(energy, [[1.5, 1.5, 1.5]])
