"""The figures of arXiv 2406.16479, as the tables of the authors' code print them.

Source: the notebook of the authors' repository (github.com/erikberter/Hebbian_FFA), MNIST, 200 neurons.
"""

from dataclasses import dataclass

__all__ = ["LATENTS", "RUNS", "SEARCH", "PublishedLatents", "PublishedRun", "PublishedSearch"]


@dataclass(frozen=True)
class PublishedSearch:
    """Test accuracy after one epoch over a grid of hyperparameters [percent]."""

    mean: float
    std: float
    best: float
    worst: float


@dataclass(frozen=True)
class PublishedRun:
    """Test accuracy of one run after each of ten epochs [percent]."""

    curve: tuple[float, ...]

    @property
    def final(self) -> float:
        """Accuracy after the last epoch."""
        return self.curve[-1]

    @property
    def best(self) -> float:
        """Accuracy of the best epoch."""
        return max(self.curve)


@dataclass(frozen=True)
class PublishedLatents:
    """Figures of the latents of the test images, presented with their true labels."""

    hoyer: float
    separability: float


#: By regime, output trace and probability.
SEARCH = {
    ("batched", "relu", "sigmoid"): PublishedSearch(26.83, 25.63, 81.88, 8.71),
    ("batched", "relu", "symmetric"): PublishedSearch(69.56, 24.81, 86.88, 9.03),
    ("batched", "li", "sigmoid"): PublishedSearch(32.21, 23.09, 79.35, 9.61),
    ("batched", "li", "symmetric"): PublishedSearch(66.84, 28.68, 88.96, 10.13),
    ("batched", "hard-li", "sigmoid"): PublishedSearch(21.67, 16.61, 63.68, 9.78),
    ("batched", "hard-li", "symmetric"): PublishedSearch(59.41, 31.03, 85.54, 9.93),
    ("online", "relu", "sigmoid"): PublishedSearch(39.46, 30.81, 83.92, 9.13),
    ("online", "relu", "symmetric"): PublishedSearch(54.93, 27.29, 82.15, 10.13),
    ("online", "li", "sigmoid"): PublishedSearch(59.07, 19.36, 85.07, 20.13),
    ("online", "li", "symmetric"): PublishedSearch(74.22, 20.03, 87.13, 10.00),
    ("online", "hard-li", "sigmoid"): PublishedSearch(43.87, 19.63, 74.12, 9.72),
    ("online", "hard-li", "symmetric"): PublishedSearch(54.57, 28.71, 85.55, 9.65),
}
RUNS = {
    "analog-sigmoid": PublishedRun((82.48, 81.54, 88.40, 89.74, 88.30, 88.59, 85.02, 89.32, 87.55, 88.97)),
    "analog-symmetric": PublishedRun((91.77, 92.73, 93.69, 93.86, 93.72, 93.91, 94.45, 94.66, 95.10, 94.87)),
    "batched-sigmoid": PublishedRun((79.33, 82.51, 83.03, 84.68, 85.85, 86.26, 85.60, 86.21, 85.84, 85.38)),
    "batched-symmetric": PublishedRun((83.94, 88.48, 90.66, 90.08, 91.12, 91.22, 91.23, 92.11, 92.59, 92.73)),
    "online-sigmoid": PublishedRun((69.08, 71.93, 85.04, 85.11, 83.07, 81.50, 81.85, 82.40, 80.75, 81.72)),
    "online-symmetric": PublishedRun((87.26, 91.13, 92.12, 92.91, 93.00, 92.86, 93.62, 94.16, 94.36, 94.33)),
}
LATENTS = {
    "analog-sigmoid": PublishedLatents(0.9994, 0.9556),
    "analog-symmetric": PublishedLatents(0.9789, 0.9865),
    "batched-sigmoid": PublishedLatents(0.9650, 0.9969),
    "batched-symmetric": PublishedLatents(0.9782, 0.9650),
    "online-sigmoid": PublishedLatents(0.9664, 0.9974),
    "online-symmetric": PublishedLatents(0.9641, 0.9822),
}
