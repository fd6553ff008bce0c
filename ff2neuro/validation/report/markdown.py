"""A verdict as Markdown, to be pasted into a pull request."""

from ff2neuro.validation.report.tables import Table, drop_sentence, model_sentence, sweep_table, tables
from ff2neuro.validation.verdict import Verdict

__all__ = ["render_markdown"]


def render_markdown(verdict: Verdict) -> str:
    """Return a verdict as Markdown.

    Parameters
    ----------
    verdict : Verdict
        What to say.

    Returns
    -------
    str
        A document.
    """
    made = tables(verdict)
    lines = [f"## ff2neuro verdict {verdict.headline}", ""]
    lines += [f"- **failed**: {_text(str(check))}" for check in verdict.failed_checks]
    for finding in verdict.findings:
        lines.append(f"- {'**fault**' if finding in verdict.faults else 'note'}: {_text(finding)}")
    lines += ["", " ".join(filter(None, (drop_sentence(verdict), model_sentence(verdict)))), ""]
    for name in ("accuracy", "agreement", "sides", "goodness", "neurons"):
        lines += [*_table(made[name]), ""]
    for sweep in verdict.sweeps:
        lines += [*_table(sweep_table(sweep)), ""]
    lines += ["<details><summary>Accuracy per class</summary>", "", *_table(made["classes"]), "", "</details>", ""]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    rule = "|" + " --- |" + " ---: |" * (len(table.heading) - 1)
    return [f"**{table.caption}**", "", _row(table.heading), rule, *(_row(row) for row in table.rows)]


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_text(cell) for cell in cells) + " |"


def _text(text: str) -> str:
    """Keep text from being read as markup."""
    for mark in ("\\", "|", "<", ">", "*", "`"):
        text = text.replace(mark, f"\\{mark}")
    return text
