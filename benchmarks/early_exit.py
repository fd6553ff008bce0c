"""What an early exit of decided hypotheses saves on the reference backend: steps, and time.

Every file is run with and without it, in turns; the program stops if a prediction differs.

    ff2neuro train --dataset mnist --layers 200 --epochs 3 --out run
    ff2neuro export run --steps 16 --out 16.nir
    python benchmarks/early_exit.py 16.nir [--samples 2000] [--json early_exit.json]
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, input_energy, score_bounds, scores, scores_after_early_exit
from ff2neuro.converters.nir_file import read_nir
from ff2neuro.data.registry import load_dataset
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import SpikingNetwork, predict_from_scores
from ff2neuro.recording import Recording

REPETITIONS = 5


def compare(path: Path, images: npt.NDArray[Any]) -> dict[str, Any]:
    content, machine = read_nir(path), get_backend("reference")
    network = content.network
    if network is None:
        sys.exit(f"{path} was not exported by ff2neuro")
    energy = input_energy(network.input_code, images)
    inputs = encode(network.input_code, images, network.n_time_steps)
    bounds = {"whole": None, "early": score_bounds(network, energy)}
    seconds = dict.fromkeys(bounds, float("inf"))
    recordings = {}
    for _ in range(REPETITIONS):
        for name, early_exit in bounds.items():
            config = RunConfig(dt=network.dt, reset=network.reset, early_exit=early_exit)
            start = time.perf_counter()
            recordings[name] = machine.run(content.graph, inputs, config)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    require_same(network, recordings, energy)
    steps = recordings["early"].steps
    return {
        "file": str(path),
        "n_neurons": [layer.n_neurons for layer in network.layers],
        "input_coding": network.input_code.coding,
        "n_time_steps": network.n_time_steps,
        "n_images": len(images),
        "stopped": float((steps < network.n_time_steps).mean()),
        "steps_left_out": float(1 - steps.mean() / network.n_time_steps),
        "seconds": seconds,
    }


def require_same(network: SpikingNetwork, recordings: dict[str, Recording], energy: npt.NDArray[Any]) -> None:
    whole, early = recordings["whole"], recordings["early"]
    expected = scores(network, [whole.counts(name) for name in whole.layer_names], energy)
    found = scores_after_early_exit(network, early, energy)
    ours, theirs = predict_from_scores(found), predict_from_scores(expected)
    if not np.array_equal(ours[0], theirs[0]) or ours[1] != theirs[1]:
        sys.exit("an early exit changed a prediction")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.nir")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="Write the figures there.")
    arguments = parser.parse_args()
    images = load_dataset(arguments.dataset).split("test")[0][: arguments.samples]
    rows = []
    for path in arguments.files:
        row = compare(path, images)
        rows.append(row)
        print(
            f"{path}: neurons {row['n_neurons']}, {row['input_coding']} input, T={row['n_time_steps']}: "
            f"{row['stopped']:.1%} of the presentations stopped, {row['steps_left_out']:.1%} of the steps left out, "
            f"same predictions; {row['seconds']['whole']:.3f} s without, {row['seconds']['early']:.3f} s with",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
