"""Figures: latents as pictures, their map by t-SNE, and the accuracy over the epochs; PNG and PDF."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ff2neuro.files import write_bytes
from ff2neuro.reproduction.published import RUNS
from ff2neuro.reproduction.running import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_curves", "draw_latents", "draw_tsne"]

Array = npt.NDArray[Any]

#: Latents of each class that a picture shows.
PER_CLASS = 20
#: Latents that t-SNE places.
N_PLACED = 2000


def draw_latents(latents: Mapping[str, Array], labels: Array, out: Path) -> list[Path]:
    """Draw the latents of some images of each class as rows of a picture, one panel per network.

    Parameters
    ----------
    latents : mapping of str to ndarray of shape (n_images, n_neurons)
        Activity, by name of the network.
    labels : ndarray of shape (n_images,)
        Classes.
    out : Path
        Where, without extension.

    Returns
    -------
    list of Path
        The files.
    """
    figure = _figure(2, 3, (11, 6.5))
    rows = np.concatenate([np.flatnonzero(labels == label)[:PER_CLASS] for label in np.unique(labels)])
    for axes, (name, latent) in zip(figure.axes, latents.items(), strict=False):
        axes.imshow(latent[rows], aspect="auto", cmap="viridis", interpolation="nearest")
        axes.set(title=name, xlabel="neuron", ylabel="test images by class")
    return _save(figure, out)


def draw_tsne(latents: Mapping[str, Array], labels: Array, out: Path) -> list[Path]:
    """Draw a map of the latents by t-SNE (van der Maaten and Hinton, JMLR 9, 2008), one panel per network.

    Parameters
    ----------
    latents, labels, out
        As for `draw_latents`.

    Returns
    -------
    list of Path
        The files.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    figure = _figure(2, 3, (11, 7))
    for axes, (name, latent) in zip(figure.axes, latents.items(), strict=False):
        some = latent[:N_PLACED]
        perplexity = min(30.0, (len(some) - 1) / 3)
        # Threads that wait for each other at every step of the descent cost more than they bring on a busy machine.
        with threadpool_limits(1):
            places = TSNE(random_state=0, init="random", perplexity=perplexity).fit_transform(some)
        axes.scatter(places[:, 0], places[:, 1], c=labels[:N_PLACED], cmap="tab10", s=3, linewidths=0)
        axes.set(title=name, xticks=[], yticks=[])
    return _save(figure, out)


def draw_curves(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw the test accuracy over the epochs, one panel per setting, one line per seed, beside the published curve.

    Parameters
    ----------
    results : sequence of Result
        Runs of several epochs.
    out : Path
        Where, without extension.

    Returns
    -------
    list of Path
        The files.
    """
    figure = _figure(2, 3, (11, 6.5))
    settings = list(dict.fromkeys(result.setting for result in results))
    for axes, setting in zip(figure.axes, settings, strict=False):
        _draw_curve(axes, RUNS[setting].curve, color="black", linewidth=2, label="published")
        for result in (result for result in results if result.setting == setting):
            tuned = result.hyperparameters == "tuned"
            style = {"linestyle": "--" if tuned else "-", "marker": "."}
            label = f"{'tuned, ' if tuned else ''}{result.name.rsplit('-', 1)[-1]}"
            _draw_curve(axes, 100 * np.array(result.accuracies), label=label, **style)
        axes.set(title=setting, xlabel="epoch", ylabel="test accuracy [%]")
        axes.legend(fontsize="x-small")
    return _save(figure, out)


def _draw_curve(axes: Any, curve: Sequence[float] | Array, **style: Any) -> None:
    axes.plot(range(1, len(curve) + 1), curve, **style)


def _figure(n_rows: int, n_columns: int, size: tuple[float, float]) -> "Figure":
    """Return a figure that no display is needed for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.subplots(n_rows, n_columns)
    return figure


def _save(figure: "Figure", out: Path) -> list[Path]:
    """Write PNG and PDF, without time stamps."""
    paths = []
    for extension, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=extension, dpi=150, metadata=metadata)
        paths.append(out.with_name(f"{out.name}.{extension}"))
        write_bytes(paths[-1], buffer.getvalue())
    return paths
