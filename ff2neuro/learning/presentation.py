"""What is presented in an epoch: the order of the images, their shifts, and their wrong labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ff2neuro.data import Dataset
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.initial import epoch_chance
from ff2neuro.learning.shifts import ImageGrid, image_grid, shift_margins

__all__ = ["Batch", "Presenter"]


@dataclass(frozen=True)
class Batch:
    """Images that are presented together.

    Attributes
    ----------
    images : Tensor of shape (batch_size, n_pixels)
        Pixels in [0, 1].
    labels : Tensor of int64, shape (batch_size,)
        True classes.
    wrong_labels : Tensor of int64, shape (batch_size,)
        Evenly drawn wrong classes.
    noise : Tensor of shape (batch_size, n_classes) or None
        Gumbel numbers from which hard negatives are drawn.
    """

    images: Tensor
    labels: Tensor
    wrong_labels: Tensor
    noise: Tensor | None


class Presenter:
    """Holds the training images as tensors and presents them in batches.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    trained_on : ndarray of int
        Indices of the images to present.
    config : TrainingConfig
        Hyperparameters.

    Notes
    -----
    Images without rows and columns are never shifted (`ff2neuro.learning.shifts.shift_note`).
    """

    def __init__(self, dataset: Dataset, trained_on: "np.typing.NDArray[np.int64]", config: TrainingConfig) -> None:
        self._config, self._trained_on, self._n_classes = config, trained_on, dataset.n_classes
        self._labels = torch.tensor(dataset.y_train, device=config.device)
        self._images = torch.tensor(dataset.x_train, device=config.device)
        self._margins = shift_margins(dataset.image_shape, config.max_shift)
        grid = image_grid(dataset.image_shape)
        if grid is not None and any(self._margins):
            self._images, self._strides, window = _padded(self._images, grid, self._margins)
            self._window = window.to(config.device)

    @property
    def n_images(self) -> int:
        """Number of images in an epoch."""
        return len(self._trained_on)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Present every image once.

        Parameters
        ----------
        number : int
            Number of the epoch, which with the seed determines all chance.

        Yields
        ------
        Batch
            The next images.
        """
        # All chance is drawn by NumPy, so that every device presents the same.
        chance, device = epoch_chance(self._config.seed, number), self._config.device
        order = torch.tensor(chance.permutation(self._trained_on), device=device)
        labels = self._labels[order]
        offsets = torch.tensor(chance.integers(1, self._n_classes, self.n_images), device=device)
        wrong = (labels + offsets) % self._n_classes
        noise = None
        if self._config.negatives == "hard":
            gumbel = chance.gumbel(size=(self.n_images, self._n_classes)).astype(np.float32)
            noise = torch.tensor(gumbel, device=device)
        corners = None
        if any(self._margins):
            spans = 2 * np.array(self._margins)[:, None] + 1
            shifts = torch.tensor(chance.integers(0, spans, (2, self.n_images)), device=device)
            corners = shifts[0] * self._strides[0] + shifts[1] * self._strides[1]
        for start in range(0, self.n_images, self._config.batch_size):
            part = slice(start, start + self._config.batch_size)
            images = self._pixels(order[part], None if corners is None else corners[part])
            yield Batch(images, labels[part], wrong[part], None if noise is None else noise[part])

    def _pixels(self, indices: Tensor, corners: Tensor | None) -> Tensor:
        """Return images, each seen through a window whose upper left corner is given."""
        if corners is None:
            return self._images[indices]
        start = indices * self._images.shape[1] + corners
        return self._images.flatten()[start[:, None] + self._window]


def _padded(images: Tensor, grid: ImageGrid, margins: tuple[int, int]) -> tuple[Tensor, tuple[int, int], Tensor]:
    """Return images with wider borders, what a step down and to the right is in them, and the window of an image.

    A border goes on as it was, so that a bright background stays one.
    """
    down, right = margins
    planes, rows, columns, channels = grid.planes, grid.rows, grid.columns, grid.channels
    boxes = images.view(-1, planes, rows, columns, channels)
    wide = pad(boxes, (0, 0, right, right, down, down), mode="replicate")
    _, down_step, right_step, _ = wide[0].stride()
    places = torch.arange(wide[0].numel()).view(wide.shape[1:])
    return wide.flatten(1), (down_step, right_step), places[:, :rows, :columns].flatten()
