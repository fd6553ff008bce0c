"""netx files in the real loader of lava-dl 0.6.0, run on Lava's CPU backend: every layer, bin for bin."""

import subprocess
from itertools import pairwise

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.netx_file import GRADED_MESSAGE_BITS, loading_call, read_netx, write_netx
from ff2neuro.converters.netx_weights import loaded_weight
from ff2neuro.converters.nir_graph import spikes_name, to_nir
from ff2neuro.data import load_dataset
from ff2neuro.errors import FileFormatError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.lava_backend import worker_process
from ff2neuro.hardware.lava_backend.environment import LAVA
from ff2neuro.hardware.lava_backend.process_group import ProcessGroup
from ff2neuro.inputs import InputSource
from ff2neuro.networks import GoodnessHead, InputCode, SpikingLayer, SpikingNetwork, one_hot_label_codes

#: Seconds after which a Lava process is taken to hang.
LIMIT = 120
SHIM = worker_process.SCRIPT.parent

#: Evaluates the loading call as a user would, and records all blocks.
PLAYER = """
import sys
import numpy as np
sys.path.append(sys.argv[1])
import netx_shim
netx_shim.install()
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

assert "torch" not in sys.modules
answers = {}
jobs = np.load(sys.argv[2])
for job in range(int(jobs["n_jobs"])):
    network = eval(str(jobs[f"call_{job}"]))
    # The answers to the last bins are under way for one step per layer.
    events = np.pad(jobs[f"events_{job}"], ((0, 0), (0, len(network.layers))))
    source = Source(data=events)
    source.s_out.connect(network.inp)
    sinks = [Sink(shape=layer.out.shape, buffer=events.shape[1]) for layer in network.layers]
    for layer, sink in zip(network.layers, sinks):
        layer.out.connect(sink.a_in)
    network.run(condition=RunSteps(num_steps=events.shape[1]), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    for index, sink in enumerate(sinks):
        answers[f"{job}_{index}"] = sink.data.get().astype(np.uint8)
    network.stop()
np.savez(sys.argv[3], **answers)
"""

#: Does with many matrices what the loader and the first step of Lava's Dense do, by their own functions.
LOADER = """
import sys
import numpy as np
sys.path.append(sys.argv[1])
import netx_shim
netx_shim.install()
from lava.lib.dl.netx.utils import optimize_weight_bits
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

answers = {}
for name, weight in np.load(sys.argv[2]).items():
    codes, bits, exponent, _ = optimize_weight_bits(weight)
    sign_mode = determine_sign_mode(codes)
    kept = truncate_weights(clip_weights(codes, sign_mode, num_bits=8), sign_mode, bits)
    answers[name] = kept * 2.0**exponent
    answers["bits_" + name] = bits
np.savez(sys.argv[3], **answers)
"""


@pytest.fixture
def in_lava(lava, tmp_path):
    """Run a program in the Lava interpreter, in a session of its own and for a limited time."""

    def run(program, arrays):
        script, given, answered = (tmp_path / name for name in ("program.py", "given.npz", "answered.npz"))
        script.write_text(program)
        np.savez(given, **arrays)
        process = subprocess.Popen(
            [lava, script, SHIM, given, answered],
            cwd=tmp_path,
            env={**LAVA.variables(), "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            words, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            pytest.fail(f"Lava gave no answer for {LIMIT} s")
        finally:
            # Gently: Python's resource tracker outlives the others and removes their shared memory.
            ProcessGroup(process.pid).end()
            process.wait()
            process.stdout.close()
        assert process.returncode == 0, words
        assert "Warning" not in words
        with np.load(answered) as answers:
            return dict(answers)

    return run


@pytest.fixture
def in_netx(in_lava):
    """Run networks with their events, (presentation, step, channel) each, and return every layer's spikes."""

    def run(jobs):
        arrays = {"n_jobs": np.array(len(jobs))}
        for job, (network, call, events) in enumerate(jobs):
            whole = np.broadcast_to(events, (len(events), network.n_time_steps, events.shape[-1]))
            arrays[f"call_{job}"] = np.array(call)
            arrays[f"events_{job}"] = whole.reshape(-1, events.shape[-1]).T.astype(np.int32)
        answers = in_lava(PLAYER, arrays)
        return [
            windows_of([answers[f"{job}_{index}"] for index in range(len(network.layers))], len(events))
            for job, (network, _, events) in enumerate(jobs)
        ]

    return run


def windows_of(layers, n_windows):
    """Cut every layer's spikes (neuron, step) into presentations; layer i answers a bin i + 1 steps late."""
    n_steps = layers[0].shape[1] - len(layers)
    return [
        spikes[:, index + 1 : index + 1 + n_steps].T.reshape(n_windows, -1, len(spikes))
        for index, spikes in enumerate(layers)
    ]


def reference(network, events):
    inputs = InputSource.from_array(events[:, None], network.n_time_steps)
    recording = get_backend("reference").run(to_nir(network), inputs, RunConfig(record="spikes"))
    assert recording.header.arithmetic == "fixed"
    return [recording.spikes(spikes_name(index))[:, 0] for index in range(len(network.layers))]


def random_network(rng, coding):
    n_inputs, bits = int(rng.integers(4, 20)), int(rng.integers(2, 9))
    limit = 2 ** (bits - 1) - 1
    sizes = [n_inputs + 2, *rng.integers(2, 20, rng.integers(1, 4))]
    amplitude = 15 if coding == "constant" else 1
    layers = []
    for n_in, n_out in pairwise(sizes):
        weight = rng.integers(-limit, limit + 1, (n_out, n_in)).astype(float)
        weight[0, 0] = limit
        threshold = int(rng.integers(0, 1 + limit * amplitude)) + 0.5
        layers.append(SpikingLayer(weight, threshold, leak=int(rng.choice([0, 1, 300, 4095]))))
        amplitude = 1
    code = InputCode(coding, 15.0 if coding == "constant" else 0.9, one_hot_label_codes(2), (n_inputs,))
    head = GoodnessHead("sigmoid", 1.0, 0.0, (0,))
    return SpikingNetwork(tuple(layers), code, head, int(rng.integers(1, 13)))


@pytest.mark.lava
def test_random_networks_spike_in_netx_as_in_the_reference(rng, in_netx, tmp_path):
    jobs = []
    for index, coding in enumerate(["constant", "constant", "regular", "constant", "bernoulli", "regular"]):
        network, path = random_network(rng, coding), tmp_path / f"{index}.net"
        write_netx(network, path)
        images = rng.random((4, network.input_code.n_pixels)).astype(np.float32)
        events = encode(network.input_code, images, network.n_time_steps).read(0, len(images))
        jobs.append((network, loading_call(network, path), events.reshape(-1, *events.shape[2:])))
    for (network, _, events), answers in zip(jobs, in_netx(jobs), strict=True):
        for expected, measured in zip(reference(network, events), answers, strict=True):
            np.testing.assert_array_equal(measured, expected)
        assert answers[0].any()


@pytest.mark.lava
def test_trained_network_spikes_in_netx_as_in_the_reference(ff2neuro, digits_run, in_netx, tmp_path):
    outcome = ff2neuro("export", digits_run, "--target", "netx", "--steps", 16, "--out", tmp_path / "digits.net")
    assert outcome.code == 0
    call = outcome.out.splitlines()[-1].partition(" = ")[2]
    network = read_netx(tmp_path / "digits.net")
    images, _ = load_dataset("digits").split("test")
    events = encode(network.input_code, images[:2], 16).read(0, 2)
    events = events.reshape(-1, *events.shape[2:])
    (answers,) = in_netx([(network, call, events)])
    for expected, measured in zip(reference(network, events), answers, strict=True):
        assert expected.any()
        np.testing.assert_array_equal(measured, expected)


@pytest.mark.lava
def test_graded_input_needs_the_message_bits_of_the_loading_call(rng, in_netx, tmp_path):
    """Without them netx takes every value for one spike, and says nothing."""
    weight = rng.integers(1, 128, (5, 6)).astype(float)
    code = InputCode("constant", 15.0, one_hot_label_codes(2), (4,))
    network = SpikingNetwork((SpikingLayer(weight, 500.5),), code, GoodnessHead("sigmoid", 1.0, 0.0, (0,)), 8)
    write_netx(network, tmp_path / "graded.net")
    call = loading_call(network, tmp_path / "graded.net")
    without = call.replace(f", input_message_bits={GRADED_MESSAGE_BITS}", "")
    assert without != call
    events = rng.integers(1, 16, (3, 1, 6))
    (((graded,), (unary,))) = in_netx([(network, call, events), (network, without, events)])
    (expected,), (of_spikes,) = reference(network, events), reference(network, np.ones_like(events))
    np.testing.assert_array_equal(graded, expected)
    np.testing.assert_array_equal(unary, of_spikes)
    assert (graded != unary).any()


@pytest.mark.lava
def test_what_netx_makes_of_a_matrix_is_known(rng, in_lava):
    matrices = {}
    for low, high in ((-256, 256), (-127, 128), (0, 256), (-255, 0), (1, 9), (-8, 0), (-7, 8)):
        for step in (1, 2, 8):
            for _ in range(20):
                weight = np.clip(rng.integers(low, high, (3, 4)) * step, -256, 255)
                if weight.max() != 0:
                    matrices[f"{len(matrices)}"] = weight
    # Of one sign, a power of two is what the loader shifts beyond the range of a synapse.
    matrices |= {f"power_{bits}": np.full((2, 2), -(2**bits)) for bits in range(8)}
    answers = in_lava(LOADER, matrices)
    exact = 0
    for name, weight in matrices.items():
        loaded, bits = loaded_weight(weight)
        np.testing.assert_array_equal(loaded, answers[name], err_msg=f"{weight}")
        assert bits == answers[f"bits_{name}"]
        exact += np.array_equal(loaded, weight)
    assert 0 < exact < len(matrices)
    assert not any(np.array_equal(answers[f"power_{bits}"], matrices[f"power_{bits}"]) for bits in range(8))


def test_nir_file_of_ours_is_translated_to_the_same_network(ff2neuro, digits_run, tmp_path):
    direct, translated = tmp_path / "direct.net", tmp_path / "translated.net"
    assert ff2neuro("export", digits_run, "--target", "netx", "--steps", 16, "--out", direct).code == 0
    source = digits_run / "network.nir"
    assert ff2neuro("export", source, "--target", "netx", "--out", translated).code == 0
    ours, theirs = read_netx(direct), read_netx(translated)
    assert theirs.checksums == ours.checksums
    assert (theirs.head, theirs.notes, theirs.provenance) == (ours.head, ours.notes, ours.provenance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reset", "subtract"), "is reset by subtraction, which netx cannot say: export with --reset zero"),
        (("--weight-bits", "none"), "netx files hold integers: export with --weight-bits 8"),
        (("--initial-potential", 0.5), "which netx cannot say: convert with --initial-potential 0"),
        (("--weight-scale", "neuron"), "netx holds one per layer: convert with --weight-scale layer"),
        (("--dialect", "native"), "--dialect says how NIR is written, and this is a netx file; omit it"),
    ],
)
def test_options_that_netx_cannot_honour_are_refused(ff2neuro, digits_run, tmp_path, options, message):
    outcome = ff2neuro("export", digits_run, "--target", "netx", "--out", tmp_path / "network.net", *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_translating_refuses_options_that_the_file_has_fixed(ff2neuro, digits_run, tmp_path):
    source = digits_run / "network.nir"
    outcome = ff2neuro("export", source, "--target", "netx", "--steps", 8, "--out", tmp_path / "network.net")
    assert outcome.code == 2
    assert f"--steps is fixed by {source}; omit it" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_other_hdf5_is_no_netx_file(digits_run):
    with pytest.raises(FileFormatError, match="lacks the group 'layer' of a netx file"):
        read_netx(digits_run / "network.nir")
