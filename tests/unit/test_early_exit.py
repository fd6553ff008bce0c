"""An early exit changes no prediction and no tie, whatever the network, and a recording says what it left out."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ff2neuro.coding import encode, input_energy, score_bounds, scores, scores_after_early_exit
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.early_exit import checkpoints, decided
from ff2neuro.hardware.sharding import ShardedBackend
from ff2neuro.inputs import InputSource
from ff2neuro.networks import (
    GoodnessHead,
    InputCode,
    LabelCodes,
    SpikingLayer,
    SpikingNetwork,
    Trace,
    predict_from_scores,
)
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

DT = 1e-4
N_CLASSES = 4


def network_of(rng, sizes, head, coding="constant", n_time_steps=16, reset="zero"):
    """Random weights; two label codes differ only in bits that no neuron listens to, so that they always tie."""
    codes = [[1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1]]
    code = InputCode(coding, 15 if coding == "constant" else 1.0, LabelCodes(codes, 1.0), (sizes[0] - 6,), seed=3)
    scale = 300 if coding == "constant" else 60
    weights = [rng.integers(-60, 128, (n_out, n_in)) for n_in, n_out in pairwise(sizes)]
    weights[0][:, -2:] = 0
    layers = tuple(
        SpikingLayer(weight, (scale if index == 0 else 80) + 0.5, reset=reset, gain=0.01)
        for index, weight in enumerate(weights)
    )
    return SpikingNetwork(layers, code, head, n_time_steps)


def decisive_network(rng, coding, n_time_steps=32):
    """One half of the neurons listens to the first bit of the label code, the other half to the second."""
    head = GoodnessHead("symmetric", 1.0, 0.0, (1,))
    network = network_of(rng, (26, 30, 20), head, coding, n_time_steps)
    first, second = rng.integers(-5, 6, (30, 26)), np.full((20, 30), -20)
    first[:15, 20:22], first[15:, 20:22], first[:, 22:] = (127, -128), (-128, 127), 0
    second[:10, :15] = second[10:, 15:] = 20
    layers = (replace(network.layers[0], weight=first), replace(network.layers[1], weight=second))
    return replace(network, layers=layers)


def graph_of(network):
    return to_nir(network, "portable" if network.reset == "zero" else "native")


HEADS = {
    "sigmoid": GoodnessHead("sigmoid", 2.0, 0.6, (0, 1)),
    "sigmoid of the last layer": GoodnessHead("sigmoid", 4.0, 0.6, (1,)),
    "sigmoid, all normalised": GoodnessHead("sigmoid", 4.0, 0.2, (0, 1), normalize_input=True),
    "sigmoid, nothing normalised": GoodnessHead("sigmoid", 4.0, 0.1, (0, 1), normalize_layers=False),
    "symmetric": GoodnessHead("symmetric", 1.0, 0.0, (0, 1)),
    "symmetric, smoothed": GoodnessHead("symmetric", 1.0, 0.0, (1,), smoothing=0.01),
}


@pytest.fixture(params=HEADS)
def head(request):
    return HEADS[request.param]


def runs(network, images):
    """Run without and with an early exit: the energy and both recordings."""
    events = encode(network.input_code, images, network.n_time_steps)
    energy, machine = input_energy(network.input_code, images), get_backend("reference", threads=2)
    reset = network.reset
    whole = machine.run(graph_of(network), events, RunConfig(reset=reset))
    config = RunConfig(reset=reset, early_exit=score_bounds(network, energy))
    return energy, whole, machine.run(graph_of(network), events, config)


@pytest.mark.parametrize("coding", ["constant", "regular", "bernoulli"])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_predictions_and_ties_stay_the_same(rng, head, coding, reset):
    network = network_of(rng, (26, 30, 20), head, coding, reset=reset)
    energy, whole, early = runs(network, rng.random((40, 20)).astype(np.float32))
    expected = scores(network, [whole.counts(name) for name in whole.layer_names], energy)
    found = scores_after_early_exit(network, early, energy)
    best, n_ties = predict_from_scores(expected)
    assert n_ties > 0, "two codes are the same; a test without ties shows less"
    np.testing.assert_array_equal(predict_from_scores(found)[0], best)
    assert predict_from_scores(found)[1] == n_ties
    ran = early.steps == network.n_time_steps
    np.testing.assert_array_equal(found[ran], expected[ran])
    assert (expected[~ran] < expected.max(axis=1, keepdims=True).repeat(N_CLASSES, axis=1)[~ran]).all()


@pytest.mark.parametrize("coding", ["constant", "bernoulli"])
def test_hypotheses_far_behind_are_stopped(rng, coding):
    network = decisive_network(rng, coding)
    energy, whole, early = runs(network, rng.random((60, 20)).astype(np.float32))
    stopped = early.steps < 32
    assert stopped[:, 1].all()
    np.testing.assert_array_equal(
        predict_from_scores(scores_after_early_exit(network, early, energy))[0],
        predict_from_scores(scores(network, [whole.counts(name) for name in whole.layer_names], energy))[0],
    )
    assert set(np.unique(early.steps)) <= set(checkpoints(32))
    assert not stopped.all(axis=1).any()


def test_counts_are_those_of_the_steps_that_were_simulated(rng):
    network = decisive_network(rng, "regular")
    images = rng.random((60, 20)).astype(np.float32)
    _, _, early = runs(network, images)
    events = encode(network.input_code, images, 32)
    spikes = get_backend("reference").run(graph_of(network), events, RunConfig(record="spikes"))
    ran = np.arange(32) < early.steps[..., None]
    assert not ran[:, 1].all(axis=1).any()
    for name in early.layer_names:
        np.testing.assert_array_equal(
            early.counts(name, partial=True), (spikes.spikes(name) & ran[..., None]).sum(axis=2), err_msg=name
        )


def test_scores_lie_within_their_bounds(rng, head):
    network = network_of(rng, (26, 30, 20), head)
    energy = 1 + rng.random((500, N_CLASSES))
    low = [rng.integers(0, 3, (500, N_CLASSES, n)) for n in (30, 20)]
    low[0][:100] = low[1][50:150] = 0
    high = [counts + rng.integers(0, 3, counts.shape) for counts in low]
    high[0][:20] = high[1][50:70] = 0
    worst, best = score_bounds(network, energy)(np.arange(500), low, high)
    for _ in range(20):
        between = [rng.integers(less, more + 1) for less, more in zip(low, high, strict=True)]
        between[0][20:40] = low[0][20:40]
        found = scores(network, between, energy)
        assert (worst <= found).all()
        assert (found <= best).all()
    exact = scores(network, low, energy)
    for end in score_bounds(network, energy)(np.arange(500), low, low):
        np.testing.assert_allclose(end, exact, atol=1e-5)


def test_a_hypothesis_that_may_tie_is_not_decided():
    lowest, highest = np.array([[0.5, 0.1, 0.2]]), np.array([[0.6, 0.5, 0.49]])
    np.testing.assert_array_equal(decided(lowest, highest), [[False, False, True]])


def test_what_is_left_halves_between_questions():
    assert list(checkpoints(16)) == [4, 8, 12, 14, 15, 16]
    assert list(checkpoints(1)) == [1]
    assert list(checkpoints(7)) == [1, 4, 6, 7]


def test_one_layer_under_constant_input_has_nothing_to_leave_out(rng):
    """Its counts are known as soon as its current is."""
    network = network_of(rng, (26, 30), GoodnessHead("sigmoid", 4.0, 0.1, (0,)))
    _, whole, early = runs(network, rng.random((10, 20)).astype(np.float32))
    assert (early.steps == network.n_time_steps).all()
    np.testing.assert_array_equal(early.counts("layer_0_spikes", partial=True), whole.counts("layer_0_spikes"))


def test_partial_counts_are_no_latents(rng, tmp_path):
    network = network_of(rng, (26, 30, 20), HEADS["symmetric"])
    _, _, early = runs(network, rng.random((5, 20)).astype(np.float32))
    with pytest.raises(ConfigurationError, match=r"made with an early exit.*run again without --early-exit"):
        early.counts("layer_0_spikes")


def test_a_file_says_what_was_left_out(tmp_path):
    header = RecordingHeader({"a": 2}, 1, 2, 4, "counts", "reference", "0", "fixed", DT, early_exit=True)
    path = tmp_path / "early.h5"
    with RecordingWriter(header, path) as writer:
        writer.write(0, {"a": np.ones((1, 2, 2), dtype=np.uint16)}, steps=np.array([[4, 3]]))
    with writer.finish() as recording:
        assert recording.header == header
        np.testing.assert_array_equal(recording.steps, [[4, 3]])
        with pytest.raises(ConfigurationError, match="counts of fewer steps"):
            recording.counts("a")
    with Recording.open(path) as again:
        assert again.header.early_exit


def test_recordings_of_whole_presentations_have_all_steps():
    header = RecordingHeader({"a": 2}, 1, 2, 4, "counts", "reference", "0", "fixed", DT)
    with RecordingWriter(header) as writer:
        writer.write(0, {"a": np.ones((1, 2, 2), dtype=np.uint16)})
    np.testing.assert_array_equal(writer.finish().steps, [[4, 4]])


def refused(network, machine, events=None, **settings):
    images = np.ones((2, network.input_code.n_pixels), dtype=np.float32)
    bounds = score_bounds(network, input_energy(network.input_code, images))
    events = encode(network.input_code, images, network.n_time_steps) if events is None else events
    machine.run(graph_of(network), events, RunConfig(early_exit=bounds, **settings))


@pytest.fixture
def network(rng):
    return network_of(rng, (26, 30, 20), HEADS["symmetric"])


@pytest.mark.parametrize("name", ["snntorch", "lava"])
def test_machines_that_cannot_stop_early_say_so(network, name):
    """Before they start, so that Lava need not be there."""
    with pytest.raises(ConfigurationError, match=f"backend '{name}' cannot stop hypotheses early"):
        refused(network, get_backend(name))


def test_shards_do_not_stop_early(network):
    pytest.importorskip("distributed")
    with pytest.raises(ConfigurationError, match="an early exit does not run in shards"):
        refused(network, ShardedBackend("reference", 2, None))


def test_one_hypothesis_has_nothing_to_decide(network):
    events = InputSource.from_array(np.ones((2, 1, 1, 26), dtype=np.uint8), 16)
    with pytest.raises(ConfigurationError, match=r"1 hypothesis per image.*classifies in one pass has none"):
        refused(network, get_backend("reference"), events)


@pytest.mark.parametrize("settings", [{"record": "spikes"}, {"states": True}])
def test_only_counts_can_be_recorded(network, settings):
    with pytest.raises(ConfigurationError, match="only counts can be recorded"):
        refused(network, get_backend("reference"), **settings)


def test_double_precision_does_not_stop_early(network):
    with pytest.raises(ConfigurationError, match="an early exit needs fixed-point arithmetic"):
        refused(network, type(get_backend("reference"))(arithmetic="float"))


def test_output_traces_have_no_bounds(network):
    traced = SpikingNetwork(network.layers, network.input_code, network.head, 16, trace=Trace("relu"))
    with pytest.raises(ConfigurationError, match=r"read out by the output trace.*leave the early exit out"):
        score_bounds(traced, np.ones((2, N_CLASSES)))
