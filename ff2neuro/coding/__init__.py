"""Images to input events, and recorded spikes back to latents and scores."""

from ff2neuro.coding.bounds import score_bounds
from ff2neuro.coding.encoders import encode
from ff2neuro.coding.readout import (
    input_energy,
    latents_of_spikes,
    needed_kind,
    one_pass_scores,
    recorded_latents,
    scores,
    scores_after_early_exit,
    scores_of_latents,
    spiking_latents,
)

__all__ = [
    "encode",
    "input_energy",
    "latents_of_spikes",
    "needed_kind",
    "one_pass_scores",
    "recorded_latents",
    "score_bounds",
    "scores",
    "scores_after_early_exit",
    "scores_of_latents",
    "spiking_latents",
]
