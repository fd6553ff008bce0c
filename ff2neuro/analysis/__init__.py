"""Figures about latents and predictions: sparsity, separability, similarity, statistics."""

from ff2neuro.analysis.moments import PairedMoments
from ff2neuro.analysis.neighbours import nearest_neighbours, neighbour_overlap, separability
from ff2neuro.analysis.similarity import (
    CosineMean,
    LinearCKA,
    PearsonCorrelation,
    cosine_similarity,
    representational_similarity,
)
from ff2neuro.analysis.sparsity import HoyerMean, hoyer_index, mean_hoyer_index

__all__ = [
    "CosineMean",
    "HoyerMean",
    "LinearCKA",
    "PairedMoments",
    "PearsonCorrelation",
    "cosine_similarity",
    "hoyer_index",
    "mean_hoyer_index",
    "nearest_neighbours",
    "neighbour_overlap",
    "representational_similarity",
    "separability",
]
