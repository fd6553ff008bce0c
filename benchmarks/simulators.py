"""The reference backend beside snnTorch, SpikingJelly, Norse and Sinabs: one network, one batch, one processor.

Leak-free integrate-and-fire neurons that reset to zero, integer weights, thresholds of k + 1/2: all simulators must
count the same spikes, and the program says what share they do. Two kinds of input: binary events that differ at every
step, and graded input that is the same at every step; images under ten label hypotheses, and presentations that have
nothing in common. The others run in inference mode without gradients, on all threads, without recording; the
reference is timed as `ff2neuro run` runs it, recording included. Each of them is timed in all modes listed for it,
and its fastest counts:

    snnTorch       step loop; for constant input also with the first linear layer taken out of the loop
    SpikingJelly   multi-step mode (all steps in one matrix product), and single-step mode; constant input likewise
    Norse          step loop (`SequentialState`), and lifted over time (`Lift`); constant input likewise
    Sinabs         all steps in one matrix product; constant input likewise

Sinabs asks for an old nir and is not installed beside ours: what is missing is fetched into a temporary directory,
without its requirements.

    python benchmarks/simulators.py [--presentations 8000] [--json simulators.json]
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch

from ff2neuro.hardware.backend import get_backend
from ff2neuro.inputs import InputSource

Array = npt.NDArray[Any]
Counts = list[Array]
Simulator = Callable[..., Counts]

DT = 1e-4
N_TIME_STEPS = 24
PACKAGES = {"snntorch": "snntorch", "spikingjelly": "spikingjelly", "norse": "norse", "sinabs": "sinabs==3.1.3"}
#: What they import when they start, beyond what is there for ff2neuro.
REQUIRED = {"pbr": "pbr"}
#: Layer sizes, and thresholds for binary events and for graded input at which 5 to 20 % of the neurons spike at a step.
NETWORKS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "884-200": ((884, 200), (1500,), (15_000,)),
    "784-500-500": ((784, 500, 500), (1400, 1000), (15_000, 1500)),
}
#: Channels in which the hypotheses of an image differ.
CODE_LENGTH = 100
#: Label hypotheses under which each image is presented; 1: presentations have nothing in common.
HYPOTHESES = (10, 1)
REPETITIONS = 7
#: Time between two runs [s].
PAUSE = 0.1


class Network:
    """Integer weights and thresholds, as arrays and as torch modules see them."""

    def __init__(self, sizes: tuple[int, ...], thresholds: tuple[int, ...]) -> None:
        rng = np.random.default_rng(0)
        self.weights = [rng.integers(-127, 128, (n_out, n_in)).astype(np.float64) for n_in, n_out in pairwise(sizes)]
        self.thresholds = [threshold + 0.5 for threshold in thresholds]

    def graph(self) -> nir.NIRGraph:
        """Return the network as our backend takes it."""
        nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([self.weights[0].shape[1]])})}
        for index, (weight, threshold) in enumerate(zip(self.weights, self.thresholds, strict=True)):
            ones = np.ones(len(weight))
            nodes[f"linear_{index}"] = nir.Linear(weight)
            nodes[f"layer_{index}"] = nir.IF(r=ones / DT, v_threshold=threshold * ones, v_reset=0 * ones)
        nodes["output"] = nir.Output({"output": np.array([len(self.weights[-1])])})
        return nir.NIRGraph(nodes, list(pairwise(nodes)))

    def linear(self) -> list[torch.nn.Linear]:
        """Return the weights as modules of torch."""
        modules = []
        for weight in self.weights:
            module = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            module.weight.data = torch.tensor(weight, dtype=torch.float32)
            modules.append(module)
        return modules


def binary_events(rng: np.random.Generator, shape: tuple[int, int], n_inputs: int) -> Array:
    """Draw events: a tenth of the inputs active at every step, as regularly coded MNIST has it."""
    return (rng.random((*shape, N_TIME_STEPS, n_inputs)) < 0.1).astype(np.uint8)


def graded_input(rng: np.random.Generator, shape: tuple[int, int], n_inputs: int) -> Array:
    """Draw 4-bit pixels, a fifth of them not black, as MNIST has it; one step that stands for all."""
    size = (*shape, 1, n_inputs)
    return (rng.integers(1, 16, size) * (rng.random(size) < 0.19)).astype(np.uint8)


INPUTS = {"binary events": binary_events, "constant graded input": graded_input}


def draw(kind: str, n: int, n_hypotheses: int, n_inputs: int) -> Array:
    """Draw images under label hypotheses, which differ in a label code only: (image, hypothesis, step, channel)."""
    rng = np.random.default_rng(1)
    shape = (n // n_hypotheses, n_hypotheses)
    code = CODE_LENGTH if n_hypotheses > 1 else 0
    images = INPUTS[kind](rng, (shape[0], 1), n_inputs - code)
    codes = INPUTS[kind](rng, shape, code)
    return np.concatenate([np.broadcast_to(images, (*codes.shape[:3], n_inputs - code)), codes], axis=-1)


def reference(network: Network, events: Array) -> Simulator:
    graph, machine = network.graph(), get_backend("reference")
    inputs = InputSource.from_array(events, N_TIME_STEPS)

    def run(read: bool = False) -> Counts:
        with machine.run(graph, inputs) as recording:
            counts = [recording.counts(name) for name in recording.layer_names] if read else []
            return [count.reshape(-1, count.shape[-1]) for count in counts]

    return run


def stepwise(
    network: Network, events: Array, step: Callable[[int, Any], Any], restart: Callable[[], None]
) -> Simulator:
    """Loop over steps; a constant input passes its linear layer once, before the loop."""
    linear = network.linear()
    batch = torch.tensor(events, dtype=torch.float32).transpose(0, 1).contiguous()

    def run() -> Counts:
        restart()
        first = linear[0](batch[0]) if len(batch) == 1 else None
        counts = [torch.zeros(batch.shape[1], module.out_features) for module in linear]
        for t in range(N_TIME_STEPS):
            current = linear[0](batch[t]) if first is None else first
            spikes = step(0, current)
            counts[0] += spikes
            for index in range(1, len(linear)):
                spikes = step(index, linear[index](spikes))
                counts[index] += spikes
        return [count.numpy() for count in counts]

    return run


def at_once(
    network: Network, events: Array, layers: Callable[[int, Any], Any], restart: Callable[[], None], batch_first: bool
) -> Simulator:
    """All steps of a layer before the next layer; a constant input passes its linear layer once."""
    linear = network.linear()
    batch = torch.tensor(events, dtype=torch.float32)
    batch = batch if batch_first else batch.transpose(0, 1).contiguous()
    time_axis = 1 if batch_first else 0

    def run() -> Counts:
        restart()
        counts, spikes = [], batch
        for index, module in enumerate(linear):
            current = module(spikes)
            if current.shape[time_axis] == 1:
                current = current.repeat_interleave(N_TIME_STEPS, dim=time_axis)
            spikes = layers(index, current)
            counts.append(spikes.sum(dim=time_axis).numpy())
        return counts

    return run


def snntorch_modes(network: Network, events: Array) -> dict[str, Simulator]:
    import snntorch

    neurons = [snntorch.Leaky(beta=1.0, threshold=value, reset_mechanism="zero") for value in network.thresholds]
    potentials: list[Any] = []

    def restart() -> None:
        potentials[:] = [torch.zeros(1) for _ in neurons]

    # Its neurons reset a step late unless told otherwise, as its NIR reader does.
    for neuron in neurons:
        neuron.reset_delay = False

    def step(index: int, current: Any) -> Any:
        spikes, potentials[index] = neurons[index](current, potentials[index])
        return spikes

    return {"step loop": stepwise(network, events, step, restart)}


def spikingjelly_modes(network: Network, events: Array) -> dict[str, Simulator]:
    from spikingjelly.activation_based import neuron

    def nodes(mode: str) -> tuple[list[Any], Callable[[], None]]:
        made = [neuron.IFNode(v_threshold=value, v_reset=0.0, step_mode=mode) for value in network.thresholds]
        return made, lambda: [node.reset() for node in made] and None

    multi, restart_multi = nodes("m")
    single, restart_single = nodes("s")
    return {
        "multi-step": at_once(network, events, lambda i, x: multi[i](x), restart_multi, batch_first=False),
        "single-step": stepwise(network, events, lambda i, x: single[i](x), restart_single),
    }


def norse_modes(network: Network, events: Array) -> dict[str, Simulator]:
    import norse.torch as norse

    cells = [norse.IAFCell(p=norse.IAFParameters(v_th=torch.tensor(value))) for value in network.thresholds]
    lifted = [norse.Lift(cell) for cell in cells]
    states: list[Any] = []

    def restart() -> None:
        states[:] = [None] * len(cells)

    def step(index: int, current: Any) -> Any:
        spikes, states[index] = cells[index](current, states[index])
        return spikes

    return {
        "step loop": stepwise(network, events, step, restart),
        "lifted": at_once(network, events, lambda i, x: lifted[i](x)[0], restart, batch_first=False),
    }


def sinabs_modes(network: Network, events: Array) -> dict[str, Simulator]:
    from sinabs import activation, layers

    neurons = [
        layers.IAF(
            spike_threshold=torch.tensor(value), spike_fn=activation.SingleSpike, reset_fn=activation.MembraneReset()
        )
        for value in network.thresholds
    ]

    def restart() -> None:
        for neuron in neurons:
            neuron.reset_states()

    return {"all steps": at_once(network, events, lambda i, x: neurons[i](x), restart, batch_first=True)}


OTHERS = {"snntorch": snntorch_modes, "spikingjelly": spikingjelly_modes, "norse": norse_modes, "sinabs": sinabs_modes}


def fetch(directory: str) -> None:
    """Make the packages that are missing importable, from a directory of their own."""
    missing = [requirement for name, requirement in (PACKAGES | REQUIRED).items() if find_spec(name) is None]
    if missing:
        options = ["--quiet", "--no-deps", "--target", directory]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *missing], check=True)
        sys.path.append(directory)
        importlib.invalidate_caches()


def interleaved(simulators: dict[str, Simulator]) -> dict[str, float]:
    """Best time of each, taking turns, so that other work on the machine meets all alike."""
    best = dict.fromkeys(simulators, float("inf"))
    for _ in range(REPETITIONS):
        for name, run in simulators.items():
            # The threads of the one before it may still be waiting busily.
            time.sleep(PAUSE)
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def compare(name: str, kind: str, n: int, n_hypotheses: int) -> dict[str, Any]:
    sizes, binary, graded = NETWORKS[name]
    network = Network(sizes, binary if kind == "binary events" else graded)
    events = draw(kind, n, n_hypotheses, sizes[0])
    batch = events.reshape(-1, *events.shape[2:])
    simulators = {("reference", "as run"): reference(network, events)}
    for other, modes in OTHERS.items():
        simulators |= {(other, mode): run for mode, run in modes(network, batch).items()}
    named = {f"{package} ({mode})": run for (package, mode), run in simulators.items()}
    counts = {label: run(read=True) if label.startswith("reference") else run() for label, run in named.items()}
    ours = counts["reference (as run)"]
    seconds = interleaved(named)
    best_other = min((label for label in seconds if not label.startswith("reference")), key=seconds.__getitem__)
    return {
        "network": name,
        "input": kind,
        "n_presentations": n,
        "n_hypotheses": n_hypotheses,
        "n_time_steps": N_TIME_STEPS,
        "spikes_per_neuron_and_step": [float(layer.mean() / N_TIME_STEPS) for layer in ours],
        "seconds": seconds,
        "equal_counts": {
            label: [float((mine == theirs).mean()) for mine, theirs in zip(ours, layers, strict=True)]
            for label, layers in counts.items()
        },
        "best_other": best_other,
        "ratio": seconds[best_other] / seconds["reference (as run)"],
    }


def show(row: dict[str, Any]) -> None:
    rates = ", ".join(f"{rate:.3f}" for rate in row["spikes_per_neuron_and_step"])
    images = f"{row['n_presentations'] // row['n_hypotheses']} images x {row['n_hypotheses']} hypotheses"
    print(f"{row['network']}, {row['input']}, {images}, spikes per neuron and step {rates}")
    for label, seconds in row["seconds"].items():
        equal = min(row["equal_counts"][label])
        print(f"  {label:28} {seconds * 1e6 / row['n_presentations']:9.1f} us a presentation, equal counts {equal:.4%}")
    print(f"  the reference is {row['ratio']:.1f} times as fast as the best of them, {row['best_other']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presentations", type=int, default=8000)
    parser.add_argument("--json", type=Path, help="Write the figures there.")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as directory, torch.inference_mode():
        fetch(directory)
        rows = []
        for name in NETWORKS:
            for kind, n_hypotheses in product(INPUTS, HYPOTHESES):
                rows.append(compare(name, kind, arguments.presentations, n_hypotheses))
                show(rows[-1])
                sys.stdout.flush()
        document = {
            "versions": {name: version(name) for name in ("ff2neuro", "torch", "numpy", *PACKAGES)},
            "n_processors": len(os.sched_getaffinity(0)),
            "torch_threads": torch.get_num_threads(),
            "rows": rows,
            "lowest_ratio": min(row["ratio"] for row in rows),
        }
    print(f"lowest ratio: {document['lowest_ratio']:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
