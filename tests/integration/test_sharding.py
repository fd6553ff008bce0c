"""Shards over processes give the recording that one run gives, and go on after an interruption."""

import nir
import numpy as np
import pytest

from ff2neuro.errors import BackendError, ConfigurationError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.inputs import InputSource

pytest.importorskip("distributed")

from ff2neuro.hardware.sharding import ShardedBackend

# A cluster that ends leaves its sockets and loops to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

N_IMAGES = 11


@pytest.fixture
def graph(rng):
    ones = np.ones(6)
    nodes = {
        "in": nir.Input({"input": np.array([5])}),
        "w": nir.Linear(rng.integers(-3, 9, size=(6, 5)).astype(float)),
        "if": nir.IF(r=1e4 * ones, v_threshold=12.5 * ones, v_reset=0 * ones),
        "out": nir.Output({"output": np.array([6])}),
    }
    return nir.NIRGraph(nodes, [("in", "w"), ("w", "if"), ("if", "out")])


@pytest.fixture
def source(rng):
    return InputSource.from_array(rng.integers(0, 4, size=(N_IMAGES, 3, 1, 5)), n_time_steps=7)


def same(first, second):
    assert first.header == second.header
    for name in first.layer_names:
        np.testing.assert_array_equal(first.spikes(name), second.spikes(name))
        np.testing.assert_array_equal(first.state("v", name), second.state("v", name))
    np.testing.assert_array_equal(first.input_digests, second.input_digests)
    np.testing.assert_array_equal(first.input_events, second.input_events)


def test_recording_is_the_same_whatever_the_shards(graph, source, tmp_path):
    config = RunConfig(record="spikes", states=True)
    with ReferenceBackend().run(graph, source, config) as whole:
        for processes, images in ((1, 50), (2, 3)):
            path = tmp_path / f"{processes}-{images}.h5"
            backend = ShardedBackend("reference", processes=processes, shard_images=images)
            with backend.run(graph, source, config, path) as sharded:
                same(whole, sharded)
    assert list(tmp_path.glob(".*")) == []


def test_interrupted_run_goes_on_where_it_stopped(graph, source, tmp_path, monkeypatch):
    from ff2neuro.hardware import sharding

    out = tmp_path / "recording.h5"
    shown = sharding._finished
    done = []

    def stop_at_the_third(start, *rest):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(start)
        return shown(start, *rest)

    config = RunConfig(record="spikes", states=True)
    backend = ShardedBackend("reference", processes=1, shard_images=3)
    monkeypatch.setattr(sharding, "_finished", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        backend.run(graph, source, config, out)
    assert not out.exists()
    kept = list((tmp_path / ".recording.h5.shards").iterdir())
    assert len(kept) == 2

    sent = []

    def count_sent(start, shard, future, store):
        if not isinstance(future, dict):
            sent.append(start)
        return shown(start, shard, future, store)

    monkeypatch.setattr(sharding, "_finished", count_sent)
    with backend.run(graph, source, config, out) as resumed, ReferenceBackend().run(graph, source, config) as whole:
        same(whole, resumed)
    assert sent == [6, 9]
    assert not (tmp_path / ".recording.h5.shards").exists()


def test_workers_of_a_scheduler_are_used(graph, source):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        backend = ShardedBackend("reference", scheduler=cluster.scheduler_address, shard_images=4)
        with backend.run(graph, source) as sharded, ReferenceBackend().run(graph, source) as whole:
            np.testing.assert_array_equal(sharded.counts("if"), whole.counts("if"))


def test_error_of_a_worker_is_the_machines_own(graph, source):
    graph.nodes["if"].v_reset = 20 * np.ones(6)
    with pytest.raises(Exception, match="v_reset"):
        ShardedBackend("reference", processes=1).run(graph, source)


def test_scheduler_that_does_not_answer_is_named():
    with (
        pytest.raises(BackendError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9.*--processes"),
        ShardedBackend("reference", scheduler="tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"processes": 0}, "number of processes is 0"),
        ({"shard_images": 0}, "number of images in a shard is 0"),
        ({"processes": 2, "scheduler": "tcp://a:1"}, "exclude each other"),
    ],
)
def test_impossible_clusters_are_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        ShardedBackend("reference", **arguments)


def test_command_line_gives_the_same_verdict_in_shards(ff2neuro, digits_run):
    arguments = ["validate", digits_run, "--samples", "30", "--json"]
    whole = ff2neuro(*arguments)
    sharded = ff2neuro(*arguments, "--processes", "1")
    assert sharded.code == whole.code
    assert sharded.out == whole.out
    assert list(digits_run.glob(".*.shards")) == []
