"""``ff2neuro reproduce``: repeat the experiments of the paper and set the figures side by side."""

from pathlib import Path
from typing import Any

import click

from ff2neuro.cli.options import answer, json_option
from ff2neuro.errors import ConfigurationError

__all__ = ["command"]

PARTS = ("equivalence", "runs", "search", "latents", "machine")


@click.command("reproduce")
@click.argument("what", type=click.Choice(["paper"]))
@click.option(
    "--quick", is_flag=True, help="A subset of images and settings: about a minute, figures that mean little."
)
@click.option("--parts", help=f"What to do, with commas between: {', '.join(PARTS)} [default: all].")
@click.option("--seeds", help="Seeds of the six runs, with commas between [default: 1,2,3; with --quick: 1].")
@click.option("--epochs", type=click.IntRange(1), help="Epochs of the six runs [default: 10; with --quick: 2].")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that train at a time.")
@click.option("--backend", default="reference", show_default=True, help="Machine of the part machine: reference, lava.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Directory with the original MNIST files [default: $FF2NEURO_DATA_DIR, else download].",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of all results [default: reproduction[-quick]]."
)
@json_option
def command(
    what: str,
    quick: bool,
    parts: str | None,
    seeds: str | None,
    epochs: int | None,
    jobs: int,
    backend: str,
    data_dir: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Repeat the experiments of arXiv 2406.16479: published and measured figures side by side.

    Equivalence sets the gradient beside the modulated Hebbian product; runs trains the six networks of ten epochs, with
    the published hyperparameters and, where those fall short, with tuned ones; search trains the grid of
    hyperparameters; latents measures and draws the latents of the six networks; machine runs the online one in fixed
    point. What was done is not done again, and the table keeps earlier parts: stop and start as you like.
    """
    from dataclasses import replace

    from ff2neuro.reproduction.paper import reproduce
    from ff2neuro.reproduction.plan import Scope
    from ff2neuro.reproduction.running import DataSource

    scope = Scope.quick() if quick else Scope()
    scope = replace(scope, epochs=epochs or scope.epochs, seeds=_seeds(seeds) or scope.seeds)
    out = out or Path("reproduction-quick" if quick else "reproduction")
    source = DataSource("mnist", data_dir, scope.n_train, scope.n_test)
    done = reproduce(scope, source, out, parts=_parts(parts), jobs=jobs, backend=backend)
    document: dict[str, Any] = {
        "out": str(out),
        "rows": [row.to_mapping() for row in done.rows],
        "files": [str(path) for path in done.files],
    }
    answer(document, _text(out, document), as_json=as_json)


def _parts(text: str | None) -> tuple[str, ...]:
    chosen = PARTS if text is None else tuple(text.split(","))
    for part in chosen:
        if part not in PARTS:
            raise ConfigurationError(f"--parts names {part!r}; known are {', '.join(PARTS)}")
    return chosen


def _seeds(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    seeds = [int(part) for part in text.split(",") if part.isdecimal()]
    if len(seeds) != len(text.split(",")) or len(set(seeds)) < len(seeds):
        raise ConfigurationError(f"--seeds is {text!r}; write different whole numbers with commas between: 1,2,3")
    return tuple(seeds)


def _text(out: Path, document: dict[str, Any]) -> str:
    table = (out / "table.md").read_text(encoding="utf-8")
    return f"{table}\nwrote {', '.join(document['files'])}"
