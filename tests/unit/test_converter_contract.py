"""What every converter must do, whatever neurons it converts to."""

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig
from ff2neuro.converters.registry import available_converters, get_converter
from ff2neuro.converters.simulation import spikes_of
from ff2neuro.converters.target import mean_cosine
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import AnalogNetwork


@pytest.fixture(params=available_converters())
def convert(request):
    return get_converter(request.param)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_latents_keep_their_direction_on_unseen_images(convert, network, images, rng, reset):
    spiking = convert(network, images, ConversionConfig(n_time_steps=32, reset=reset))
    unseen = rng.random((40, 16), dtype=np.float32)
    (_, spikes), *_ = spikes_of(spiking, unseen)
    for layer, latent in zip(spikes, network.latents(unseen), strict=True):
        count = layer.sum(axis=2)
        assert mean_cosine(count.reshape(-1, count.shape[-1]), latent.reshape(-1, latent.shape[-1])) > 0.97


def test_gain_turns_counts_into_activity(convert, network, images):
    spiking = convert(network, images, ConversionConfig(n_time_steps=32))
    (_, spikes), *_ = spikes_of(spiking, images[:40])
    for trains, latent, layer in zip(spikes, network.latents(images[:40]), spiking.layers, strict=True):
        ratio = np.linalg.norm(trains.sum(axis=2) * layer.gain) / np.linalg.norm(latent)
        assert ratio == pytest.approx(1, abs=0.05)


def test_conversion_is_repeatable_and_leaves_what_it_is_given_alone(convert, network, images, tmp_path):
    weights, pixels = [np.array(weight) for weight in network.weights], images.copy()
    for name in ("first.nir", "second.nir"):
        write_network(convert(network, images), tmp_path / name)
    assert (tmp_path / "first.nir").read_bytes() == (tmp_path / "second.nir").read_bytes()
    np.testing.assert_array_equal(images, pixels)
    for weight, before in zip(network.weights, weights, strict=True):
        np.testing.assert_array_equal(weight, before)


def test_both_dialects_give_the_same_spikes_after_a_round_trip(convert, network, images, tmp_path):
    spiking = convert(network, images, ConversionConfig(n_time_steps=12))
    source, recordings = encode(spiking.input_code, images, 12), []
    for dialect in ("portable", "native"):
        write_network(spiking, tmp_path / f"{dialect}.nir", dialect)
        graph, back = read_network(tmp_path / f"{dialect}.nir")
        assert [layer.leak for layer in back.layers] == [layer.leak for layer in spiking.layers]
        recordings.append(get_backend("reference").run(graph, source, RunConfig(record="spikes")))
    assert recordings[0].header.arithmetic == recordings[1].header.arithmetic == "fixed"
    for name in recordings[0].layer_names:
        np.testing.assert_array_equal(recordings[0].spikes(name), recordings[1].spikes(name))


@pytest.mark.parametrize("bits", [8, 6, 4])
def test_weights_are_integers_of_the_asked_width(convert, network, images, bits):
    spiking = convert(network, images, ConversionConfig(weight_bits=bits))
    for layer in spiking.layers:
        np.testing.assert_array_equal(layer.weight, np.rint(layer.weight))
        assert np.abs(layer.weight).max() <= 2 ** (bits - 1) - 1
        np.testing.assert_array_equal(layer.v_threshold % 1, 0.5)
    assert all(f"{bits}-bit weights" in note and "relative error" in note for note in spiking.notes[1:])


def test_networks_carry_what_made_them(convert, network, images):
    spiking = convert(network, images)
    assert spiking.provenance["converter"] in available_converters()
    assert spiking.provenance["model_checksum"] == network.checksum
    assert (spiking.layers[0].leak > 0) == (spiking.provenance["converter"] == "lif")


def test_unusable_calibration_is_refused(convert, network):
    with pytest.raises(DatasetError, match="no calibration images"):
        convert(network, np.zeros((0, 16), dtype=np.float32))
    with pytest.raises(DatasetError, match="15 pixels each"):
        convert(network, np.zeros((3, 15), dtype=np.float32))


def test_dead_layers_are_named(convert, network, images):
    weights = (network.weights[0], -np.abs(network.weights[1]))
    dead = AnalogNetwork(weights, network.label_codes, network.head, (16,))
    with pytest.raises(NetworkError, match="layer 1 is dead"):
        convert(dead, images)


def test_leak_is_what_was_asked_for_and_said_in_the_graph(network, images):
    spiking = get_converter("lif")(network, images, ConversionConfig(neuron="lif", leak=64, n_time_steps=16))
    assert [layer.leak for layer in spiking.layers] == [64, 64]
    assert to_nir(spiking, "portable").nodes["layer_1_spikes"].tau_mem[0] == pytest.approx(64 * 1e-4)
    assert "leak 64/4096" in spiking.notes[1]


def test_unknown_converters_are_refused():
    with pytest.raises(ConfigurationError, match="unknown converter 'izhikevich'; known are if, lif"):
        get_converter("izhikevich")
