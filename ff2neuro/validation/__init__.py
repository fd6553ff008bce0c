"""The verdict: whether the spiking network still does what the trained one did."""

from ff2neuro.validation.float_execution import FloatExecution, float_execution, trained_model
from ff2neuro.validation.gate_file import read_gate
from ff2neuro.validation.judge import validate
from ff2neuro.validation.junit import render_junit
from ff2neuro.validation.layers import LayerFigures
from ff2neuro.validation.spikes import SpikeComparison, compare_recordings
from ff2neuro.validation.sweep_figures import Sweep, SweepPoint
from ff2neuro.validation.sweep_points import SweepRequest
from ff2neuro.validation.sweeps import run_sweep
from ff2neuro.validation.text import render_text
from ff2neuro.validation.thresholds import Thresholds
from ff2neuro.validation.trained import AnalogModel, TrainedModel
from ff2neuro.validation.verdict import Check, ClassifierFigures, Verdict

__all__ = [
    "AnalogModel",
    "Check",
    "ClassifierFigures",
    "FloatExecution",
    "LayerFigures",
    "SpikeComparison",
    "Sweep",
    "SweepPoint",
    "SweepRequest",
    "Thresholds",
    "TrainedModel",
    "Verdict",
    "compare_recordings",
    "float_execution",
    "read_gate",
    "render_junit",
    "render_text",
    "run_sweep",
    "trained_model",
    "validate",
]
