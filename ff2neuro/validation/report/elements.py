"""Pieces of HTML that several sections of a report are made of."""

from collections.abc import Sequence
from html import escape

from ff2neuro.validation.report.tables import Table

__all__ = ["KEY", "class_filter", "figure", "grid", "table_element"]

KEY = '<span class="key analog"></span>analog <span class="key spiking"></span>spiking.'


def grid(figures: Sequence[str]) -> str:
    """Return figures side by side where there is room."""
    return f'<div class="figures">{"".join(figures)}</div>'


def figure(content: str, caption: str, *, wide: bool = False, name: str = "") -> str:
    """Return content with a caption.

    Parameters
    ----------
    content, caption : str
        HTML.
    wide : bool
        Whether the figure takes a row of its own.
    name : str
        Further classes of the element.

    Returns
    -------
    str
        A ``<figure>``.
    """
    classes = " ".join(part for part in ("wide" if wide else "", name) if part)
    attribute = f' class="{classes}"' if classes else ""
    return f"<figure{attribute}>{content}<figcaption>{caption}</figcaption></figure>"


def table_element(table: Table) -> str:
    """Return a table that scrolls by itself where it is wider than the page.

    Parameters
    ----------
    table : Table
        Heading and rows as plain text.

    Returns
    -------
    str
        HTML with the caption before it.
    """
    heading = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.heading)
    rows = "".join(
        "<tr>" + "".join(f"<td{_style(cell)}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    caption = f"<h3>{escape(table.caption)}</h3>" if table.name != "checks" else ""
    return f'{caption}<div class="scroll"><table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table></div>'


def class_filter(group: str, labels: Sequence[int], caption: str) -> str:
    """Return one box per class; the style sheet hides what belongs to a class whose box is not ticked.

    Parameters
    ----------
    group : str
        What the boxes hide: ``points`` or ``images``.
    labels : sequence of int
        The classes.
    caption : str
        What to say before the boxes.

    Returns
    -------
    str
        A ``<fieldset>``; browsers that do not know the selectors, and paper, show everything.
    """
    boxes = "".join(
        f'<label><input type="checkbox" class="{group}-{label % 10}" checked>'
        f'<span class="key c{label % 10}"></span>{label}</label>'
        for label in labels
    )
    return f'<fieldset class="filter"><legend>{escape(caption)}</legend>{boxes}</fieldset>'


def _style(cell: str) -> str:
    return ' class="failing"' if cell == "FAILED" else ""
