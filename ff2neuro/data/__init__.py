"""Datasets: digits, MNIST and its siblings, and the user's own arrays."""

from ff2neuro.data.dataset import Dataset
from ff2neuro.data.npz import load_npz
from ff2neuro.data.registry import DATASET_NAMES, load_dataset

__all__ = ["DATASET_NAMES", "Dataset", "load_dataset", "load_npz"]
