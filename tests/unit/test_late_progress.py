"""Progress of a conversion appears only where it takes long."""

from ff2neuro import progress
from ff2neuro.converters import late_progress
from ff2neuro.converters.late_progress import LateProgress


def test_short_work_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.0)
    with LateProgress("balancing", 3, "thresholds") as work:
        work.tick()
        work.reach(3)
    assert capsys.readouterr().err == ""


def test_long_work_counts_what_was_done_before_it_was_long(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.0)
    with LateProgress("balancing", 9, "thresholds") as work:
        work.tick()
        monkeypatch.setattr(late_progress, "PATIENCE", -1.0)
        work.tick()
        work.reach(9)
    assert capsys.readouterr().err.splitlines() == ["balancing: 2/9 thresholds", "balancing: 9/9 thresholds"]
