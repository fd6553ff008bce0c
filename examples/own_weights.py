"""Weights of your own: plain arrays, trained by any program, converted, exported and judged like ff2neuro's networks.

    python examples/own_weights.py [OUT]

All that ff2neuro wants of a Forward-Forward network is in `network_of`: one matrix per layer without a bias, ReLU
between them, one binary code per class, and which of the two probabilities a layer votes with. The trainer below stands
for yours; it knows nothing of ff2neuro. Afterwards OUT is a run directory, which the commands take:

    ff2neuro export OUT --dataset digits --steps 24 --out OUT/other.nir
    ff2neuro validate OUT OUT/other.nir --dataset digits --backend lava
"""

import sys
from pathlib import Path

import numpy as np

from ff2neuro.coding import encode
from ff2neuro.converters.nir_file import write_network
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.data import load_dataset
from ff2neuro.hardware.backend import get_backend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes, save_model
from ff2neuro.validation import render_text, validate
from ff2neuro.validation.run_config import run_config

WIDTHS = (120, 80)
EPOCHS, BATCH, STEP_SIZE = 60, 50, 0.003
#: Class 0 to 9 in four bits, and the same bits inverted, so that all codes have as many ones.
BITS = (np.arange(10)[:, None] >> np.arange(4)) & 1
CODES = np.concatenate([BITS, 1 - BITS], axis=1)
#: Whose goodness is to be high: that of the first half for right codes, that of the second for wrong ones.
RIGHT = np.repeat(np.eye(2), BATCH, axis=0)
#: What a one of a code is worth beside pixels of 0 to 1.
STRENGTH = 1.5


def train(images, labels, rng):
    """Return one matrix per layer, each trained to tell images with the right code from those with a wrong one."""
    weights = []
    for n_in, n_out in zip((images.shape[1] + CODES.shape[1], *WIDTHS), WIDTHS, strict=False):
        weight = rng.normal(size=(n_out, n_in)) / n_in**0.5
        moments = np.zeros((2, *weight.shape))
        for step in range(1, EPOCHS * len(images) // BATCH + 1):
            chosen = rng.integers(0, len(images), BATCH)
            wrong = (labels[chosen] + rng.integers(1, 10, BATCH)) % 10
            x = np.tile(images[chosen], (2, 1))
            x = np.concatenate([x, STRENGTH * CODES[np.concatenate([labels[chosen], wrong])]], axis=1)
            for before in weights:
                # The next layer sees directions only: what the layer before is sure of, it has to find out by itself.
                x = np.maximum(x @ before.T, 0)
                x /= np.linalg.norm(x, axis=1, keepdims=True) + 1e-9
            a = np.maximum(x @ weight.T, 0)
            # P = G+ / (G+ + G-): the first half's goodness stands for a right code, the second's for a wrong one.
            goodness = (a**2).reshape(len(a), 2, -1).sum(axis=2) + 1e-3
            slope = 1 / goodness.sum(axis=1, keepdims=True) - RIGHT / goodness
            gradient = (2 * a * np.repeat(slope, n_out // 2, axis=1)).T @ x / len(x)
            for moment, value, decay in zip(moments, (gradient, gradient**2), (0.9, 0.999), strict=True):
                moment += (1 - decay) * (value - moment)
            first, second = moments[0] / (1 - 0.9**step), moments[1] / (1 - 0.999**step)
            weight -= STEP_SIZE * first / (second**0.5 + 1e-8)
        weights.append(weight)
    return weights


def network_of(weights):
    """Say what the arrays mean."""
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=tuple(range(len(weights))))
    return AnalogNetwork(tuple(weights), LabelCodes(CODES, STRENGTH), head, image_shape=(8, 8))


def main(out):
    data = load_dataset("digits")
    weights = train(data.x_train, data.y_train, np.random.default_rng(1))
    network = network_of(weights)
    out.mkdir(parents=True, exist_ok=True)
    save_model(network, out / "model.h5")
    spiking = convert(network, data.x_train[:500], ConversionConfig(n_time_steps=32))
    graph = write_network(spiking, out / "network.nir")
    source = encode(spiking.input_code, data.x_test, spiking.n_time_steps)
    with get_backend("reference") as machine, machine.run(graph, source, run_config(spiking)) as recording:
        print(render_text(validate(network, spiking, recording, data.x_test, data.y_test)))
    print(f"wrote {out / 'model.h5'} and {out / 'network.nir'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "own-weights"))
