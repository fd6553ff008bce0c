"""The paper's experiments on a few images: everything is made, nothing is made twice."""

import json

import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError, FileFormatError, NetworkError, OutputError
from ff2neuro.files import open_hdf5, read_tree
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.trainer import HebbianTrainer
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.networks import SpikingNetwork, load_network
from ff2neuro.reproduction.paper import PARTS, reproduce
from ff2neuro.reproduction.plan import TUNED, Experiment, Scope, long_runs, search_runs
from ff2neuro.reproduction.published import LATENTS, RUNS, SEARCH
from ff2neuro.reproduction.running import DataSource, Result, load_result, run_all
from ff2neuro.reproduction.tables import Row, markdown, merge, run_rows, search_rows

SCOPE = Scope(300, 60, 2, (1,), (1.0,), (0.1,), (0,))
SOURCE = DataSource("digits", None, 300, 60)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduction") / "out"
    return out, reproduce(SCOPE, SOURCE, out, backend="reference")


def test_plan_is_the_papers():
    runs = list(long_runs(Scope()))
    published = [experiment for experiment in runs if experiment.hyperparameters == "published"]
    assert [experiment.setting for experiment in published[::3]] == list(RUNS)
    assert set(RUNS) == set(LATENTS)
    assert len(runs) == len({experiment.name for experiment in runs}) == len(published) + 3 * len(TUNED)
    grid = list(search_runs(Scope()))
    assert {tuple(experiment.setting.split("/")) for experiment in grid} == set(SEARCH)
    assert len(grid) == len({experiment.name for experiment in grid}) == 144
    assert Scope().complete
    assert not Scope.quick().complete


def test_all_files_are_made(finished):
    out, done = finished
    assert {row.part for row in done.rows} == {"equivalence", "RQ1 runs", "RQ1 search", "RQ2 latents", "machine"}
    assert all(path.stat().st_size > 0 for path in done.files)
    assert {path.suffix for path in done.files} == {".png", ".pdf", ".md", ".json"}
    assert (out / "table.md").read_text().startswith("Not the whole of it")
    assert isinstance(load_network(out / "runs/online-symmetric-seed1/model.h5"), SpikingNetwork)
    with open_hdf5(out / "latents/online-symmetric-seed1.h5", "latents") as file:
        latents = read_tree(file)
    assert latents["true"].shape == (60, 200)
    assert latents["true"].max() <= 23
    assert (latents["true"] != latents["none"]).any()


def test_figures_are_sound(finished):
    _, done = finished
    for row in done.rows:
        if row.part == "equivalence":
            assert row.measured is not None
            assert row.measured < 1e-12
        elif "accuracy" in row.figure and "std" not in row.figure:
            assert row.measured is not None
            assert 0 <= row.measured <= 100
        elif row.part == "RQ2 latents":
            assert row.measured is not None
            assert 0 <= row.measured <= (200 if row.figure.startswith("neurons") else 1)


def test_nothing_is_done_twice_and_the_same_bytes_come_out(finished):
    out, first = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("model.h5")}
    figures = {path: path.read_bytes() for path in first.files if path.parent.name == "figures"}
    second = reproduce(SCOPE, SOURCE, out, parts=("search", "latents"))
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model.h5")} == before
    again = {path: path.read_bytes() for path in second.files if path.parent.name == "figures"}
    assert again == {path: content for path, content in figures.items() if path in again}
    assert second.rows == first.rows


def test_rows_replace_those_of_the_same_part_and_setting_alone():
    earlier = [Row("machine", "a on lava", "x", None, 1.0), Row("RQ1 runs", "online", "old", 2.0, 3.0)]
    rows = [Row("machine", "a on reference", "x", None, 4.0), Row("RQ1 runs", "online", "new", 2.0, 5.0, tuned=6.0)]
    assert merge(earlier, rows) == [rows[1], earlier[0], rows[0]]


def test_a_table_that_cannot_be_read_is_refused(finished, tmp_path):
    out, _ = finished
    (tmp_path / "table.json").write_text('[{"part": "machine"}]')
    (tmp_path / "plan.json").write_text((out / "plan.json").read_text())
    with pytest.raises(FileFormatError, match=r"table\.json is no table of a reproduction"):
        reproduce(SCOPE, SOURCE, tmp_path, parts=("equivalence",))


def test_another_scope_or_a_foreign_directory_is_refused(finished, tmp_path):
    out, _ = finished
    with pytest.raises(OutputError, match=r"results of another scope \(epochs differ\)"):
        reproduce(Scope(300, 60, 3, (1,), (1.0,), (0.1,), (0,)), SOURCE, out)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no reproduction"):
        reproduce(SCOPE, SOURCE, tmp_path)


def test_two_processes_give_what_one_gives(finished, tmp_path):
    out, _ = finished
    experiments = [experiment for experiment in long_runs(SCOPE) if experiment.setting.startswith("online")]
    results = run_all(experiments, SOURCE, tmp_path / "runs", jobs=2, description="runs")
    assert results == [load_result(out / "runs" / experiment.name) for experiment in experiments]


def test_a_run_that_was_stopped_goes_on_after_its_last_epoch(finished, tmp_path, monkeypatch):
    out, _ = finished
    experiment = next(each for each in long_runs(SCOPE) if each.name == "online-symmetric-seed1")
    saved = RunDirectory.save_progress

    def stop(self, state):
        saved(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "save_progress", stop)
    with pytest.raises(KeyboardInterrupt):
        run_all([experiment], SOURCE, tmp_path, jobs=1, description="runs")
    monkeypatch.undo()
    assert load_result(tmp_path / experiment.name) is None
    (result,) = run_all([experiment], SOURCE, tmp_path, jobs=1, description="runs")
    assert result == load_result(out / "runs" / experiment.name)


def test_training_that_diverges_is_a_result(tmp_path):
    config = HebbianConfig(layers=(20,), epochs=1, learning_rate=1e308, probability="sigmoid", trace="hard-li")
    (result,) = run_all([Experiment("far", "far", config)], SOURCE, tmp_path, jobs=1, description="runs")
    assert "diverged in epoch 1" in result.failure
    assert not list(tmp_path.rglob("model.h5"))
    with pytest.raises(NetworkError):
        HebbianTrainer(SOURCE.load(), config).run_epoch()


def test_table_gives_mean_and_failures():
    results = [
        Result("a", "online-symmetric", (0.5, 0.94)),
        Result("b", "online-symmetric", (0.5, 0.96)),
        Result("f", "online-symmetric", (0.6, 0.97), hyperparameters="tuned"),
        Result("c", "batched-sigmoid", (), "diverged"),
        Result("d", "online/li/symmetric", (0.8,)),
        Result("e", "online/li/symmetric", (0.6,)),
    ]
    rows = {(row.setting, row.figure): row for row in [*run_rows(results), *search_rows(results)]}
    final = rows["online-symmetric", "test accuracy after epoch 2 [%]"]
    assert final.measured == pytest.approx(95)
    assert final.remark == "seeds: 94.00, 96.00; tuned: 97.00"
    assert rows["batched-sigmoid", "test accuracy [%]"].remark == "diverged"
    assert rows["online/li/symmetric", "mean test accuracy [%]"].measured == pytest.approx(70)
    assert (
        "| RQ1 runs | online-symmetric | test accuracy after epoch 2 [%] | 94.33 | 95.00 | +0.67 | 97.00 | +2.67 |"
        in markdown(list(rows.values()))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--parts", "runs,nothing"), "--parts names 'nothing'; known are equivalence, runs"),
        (("--seeds", "1,1"), "--seeds is '1,1'; write different whole numbers"),
        (("--seeds", "1,x"), "--seeds is '1,x'"),
    ],
)
def test_command_refuses_what_makes_no_sense(ff2neuro, tmp_path, arguments, message):
    outcome = ff2neuro("reproduce", "paper", *arguments, "--out", tmp_path / "out")
    assert outcome.code == ConfigurationError.exit_code
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


def test_command_answers_in_json(ff2neuro, tmp_path):
    outcome = ff2neuro("reproduce", "paper", "--quick", "--parts", PARTS[0], "--out", tmp_path / "out", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["rows"][0]["part"] == "equivalence"
    assert np.isfinite(json.loads(outcome.out)["rows"][0]["measured"])
