"""The verdict: whether the spiking network still does what the analog one did."""

from ff2neuro.validation.gate_file import read_gate
from ff2neuro.validation.judge import validate
from ff2neuro.validation.junit import render_junit
from ff2neuro.validation.layers import LayerFigures
from ff2neuro.validation.spikes import SpikeComparison, compare_recordings
from ff2neuro.validation.text import render_text
from ff2neuro.validation.thresholds import Thresholds
from ff2neuro.validation.verdict import Check, ClassifierFigures, Verdict

__all__ = [
    "Check",
    "ClassifierFigures",
    "LayerFigures",
    "SpikeComparison",
    "Thresholds",
    "Verdict",
    "compare_recordings",
    "read_gate",
    "render_junit",
    "render_text",
    "validate",
]
