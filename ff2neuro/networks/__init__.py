"""Networks as frozen values that hold NumPy arrays: analog and spiking, their label codes and their goodness head."""

from ff2neuro.networks.activity_table import ActivityTable
from ff2neuro.networks.analog import AnalogNetwork
from ff2neuro.networks.goodness import GoodnessHead, Probability, layer_probabilities, predict_from_scores
from ff2neuro.networks.input_code import InputCode, InputCoding
from ff2neuro.networks.labels import LabelCodes, labels_beside_activity, one_hot_label_codes, random_label_codes
from ff2neuro.networks.model_file import load_model, load_network, save_model
from ff2neuro.networks.one_pass import OnePassHead, unit_length
from ff2neuro.networks.spiking import SpikingNetwork
from ff2neuro.networks.spiking_layer import SpikingLayer
from ff2neuro.networks.trace import Trace, TraceKind

__all__ = [
    "ActivityTable",
    "AnalogNetwork",
    "GoodnessHead",
    "InputCode",
    "InputCoding",
    "LabelCodes",
    "OnePassHead",
    "Probability",
    "SpikingLayer",
    "SpikingNetwork",
    "Trace",
    "TraceKind",
    "labels_beside_activity",
    "layer_probabilities",
    "load_model",
    "load_network",
    "one_hot_label_codes",
    "predict_from_scores",
    "random_label_codes",
    "save_model",
    "unit_length",
]
