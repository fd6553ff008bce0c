"""NIR files that others wrote, on the command line: running them and saying who else can."""

import json
from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest

from ff2neuro.recording import Recording

DT = 1e-4
STEPS = 20.0


def write(path, shape, *nodes):
    named = {"input": nir.Input({"input": np.array(shape)})}
    named |= {f"{type(node).__name__.lower()}_{index}": node for index, node in enumerate(nodes)}
    named["output"] = nir.Output({"output": np.array(np.shape(nodes[-1].r))})
    nir.write(path, nir.NIRGraph(named, list(pairwise(named)), type_check=False))
    return path


def lif(shape, threshold):
    ones = np.ones(shape)
    fields = {"tau": STEPS * DT, "r": 1.0, "v_leak": 0.0, "v_threshold": threshold, "v_reset": 0.0}
    return nir.LIF(**{name: value * ones for name, value in fields.items()})


def leaky_integrator(n):
    return nir.LI(tau=np.full(n, STEPS * DT), r=np.ones(n), v_leak=np.full(n, 0.25))


@pytest.fixture
def weights(rng):
    return rng.integers(-5, 9, (3, 2, 2, 2)).astype(np.float64), rng.integers(-5, 9, (4, 27)).astype(np.float64)


@pytest.fixture
def events(rng, tmp_path):
    events = rng.integers(0, 4, (3, 15, 2 * 4 * 4))
    np.save(tmp_path / "events.npy", events)
    return events


@pytest.fixture
def file(tmp_path, weights):
    """Return a convolution, spiking neurons and a readout of leaky integrators."""
    convolution, dense = weights
    return write(
        tmp_path / "foreign.nir",
        (2, 4, 4),
        nir.Conv2d((4, 4), convolution, 1, 0, 1, 1, np.ones(3)),
        lif((3, 3, 3), 0.53),
        nir.Flatten({"input": np.array([3, 3, 3])}, start_dim=0),
        nir.Linear(dense),
        leaky_integrator(4),
    )


def run(ff2neuro, file, tmp_path, *options):
    return ff2neuro("run", file, "--input", tmp_path / "events.npy", "--out", tmp_path / "recording.h5", *options)


def test_readout_without_spikes_is_recorded_as_its_potential(ff2neuro, file, events, weights, tmp_path):
    done = run(ff2neuro, file, tmp_path, "--record", "spikes", "--states")
    assert done.code == 0, done.err
    with Recording.open(tmp_path / "recording.h5") as recording:
        assert dict(recording.header.layers) == {"lif_1": 27, "li_4": 4}
        spikes = recording.spikes("lif_1")[:, 0]
        assert spikes.any()
        assert not recording.spikes("li_4").any()
        found = recording.state("v", "li_4")[:, 0]
    potential = np.zeros((3, 4))
    for step in range(15):
        potential += (0.25 - potential + spikes[:, step] @ weights[1].T) / STEPS
        np.testing.assert_allclose(found[:, step], potential, rtol=1e-12)


def test_readout_without_spikes_needs_states(ff2neuro, file, events, tmp_path):
    done = run(ff2neuro, file, tmp_path)
    assert done.code == 2
    assert "'li_4' is a LI, which answers with its membrane potential" in done.err
    assert "--states" in done.err
    assert not (tmp_path / "recording.h5").exists()


def test_files_from_before_v_reset_load(ff2neuro, file, events, tmp_path):
    run(ff2neuro, file, tmp_path, "--record", "spikes", "--states")
    with Recording.open(tmp_path / "recording.h5") as recording:
        expected = recording.spikes("lif_1")
    with h5py.File(file, "r+") as stored:
        del stored["version"]
        stored["version"] = "1.0.4"
        del stored["node/nodes/lif_1/v_reset"]
    done = run(ff2neuro, file, tmp_path, "--record", "spikes", "--states", "--force")
    assert done.code == 0, done.err
    with Recording.open(tmp_path / "recording.h5") as recording:
        np.testing.assert_array_equal(recording.spikes("lif_1"), expected)


def test_inspect_says_that_an_exported_file_travels(ff2neuro, digits_run):
    document = json.loads(ff2neuro("inspect", digits_run / "network.nir", "--json").out)
    found = {reader["name"]: (reader["status"], reader["reasons"]) for reader in document["readers"]}
    for name in ("lava", "snntorch", "norse", "spikingjelly"):
        assert found[name] == ("same", [])
    assert found["sinabs"][0] == "fails"
    assert found["spyx"][0] == "differs"
    assert document["nir_type_error"] is None


def test_inspect_names_the_node_that_does_not_travel(ff2neuro, tmp_path):
    scaled = write(tmp_path / "scaled.nir", (3,), nir.Scale(np.full(3, 2.0)), nir.Linear(np.ones((2, 3))), lif(2, 0.3))
    text = ff2neuro("inspect", scaled).out
    assert "snntorch 1.0.0: does not run (dt 0.0001 s)\n    node 'scale_0': the reader does not know this node" in text
    assert "norse 1.1.0: runs, other spikes (dt 0.0001 s)\n    node 'scale_0': the reader drops this node" in text
    assert "LIF" in text


def test_inspect_asks_about_the_time_step_it_is_given(ff2neuro, tmp_path):
    file = write(tmp_path / "lif.nir", (3,), nir.Linear(np.ones((2, 3))), lif(2, 0.3))
    for dt, status in ((1e-4, "same"), (5e-4, "differs")):
        document = json.loads(ff2neuro("inspect", file, "--dt", dt, "--json").out)
        (snntorch,) = (reader for reader in document["readers"] if reader["name"] == "snntorch")
        assert (snntorch["status"], snntorch["dt"]) == (status, dt)


def test_inspect_says_what_nirs_own_type_check_refuses(ff2neuro, tmp_path):
    file = write(tmp_path / "scalar.nir", (3,), nir.Linear(np.ones((2, 3))), lif((), 0.3))
    document = json.loads(ff2neuro("inspect", file, "--json").out)
    assert "type mismatch" in document["nir_type_error"]


def test_graphs_with_cycles_and_unknown_nodes_are_refused_by_name(ff2neuro, tmp_path):
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "weights": nir.Linear(np.ones((2, 2))),
        "neurons": lif(2, 0.3),
        "output": nir.Output({"output": np.array([2])}),
    }
    loop = [("input", "weights"), ("weights", "neurons"), ("neurons", "weights"), ("neurons", "output")]
    nir.write(tmp_path / "loop.nir", nir.NIRGraph(nodes, loop, type_check=False))
    done = ff2neuro("inspect", tmp_path / "loop.nir")
    assert (done.code, done.out) == (2, "")
    assert "'neurons' has 2 successors" in done.err
    delayed = write(tmp_path / "delay.nir", (2,), nir.Linear(np.ones((2, 2))), nir.Delay(np.ones(2)), lif(2, 0.3))
    assert "'delay_1' is a Delay, which is not supported" in ff2neuro("inspect", delayed).err
