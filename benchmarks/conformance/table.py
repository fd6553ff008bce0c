"""The tables of docs/portability.md, made from what `ff2neuro inspect` states about each graph."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.conformance.cases import CASES
from ff2neuro.hardware.portability import Statement, statements
from ff2neuro.hardware.reader_rules import READERS, RULES

__all__ = ["DOCUMENT", "tables", "with_tables"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "portability.md"
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"
EFFECTS = {"fails": "ends with an error", "differs": "gives other spikes"}


def with_tables(text: str) -> str:
    """Replace what stands between the two marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + tables() + END + after


def tables() -> str:
    """Both tables: graphs by readers, and rules."""
    head = ["graph", *(f"{reader.name} {reader.version}" for reader in READERS)]
    rows = [[case.name, *map(_cell, statements(case.stored(), case.config))] for case in CASES]
    rules = [[rule.reader, ", ".join(rule.nodes), EFFECTS[rule.effect], rule.reason] for rule in RULES]
    lines = [*_markdown(head, rows), "", *_markdown(["reader", "nodes", "what it does", "why"], rules)]
    return "\n" + "\n".join(lines) + "\n\n"


def _cell(statement: Statement) -> str:
    if statement.status == "same":
        return "same"
    # The node's name says nothing beside a graph that is described in words.
    reason = (
        statement.reasons[0].split(": ", 1)[-1] if statement.reasons[0].startswith("node") else statement.reasons[0]
    )
    return f"{statement.status}: {reason.split(';')[0]}"


def _markdown(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
