"""Throughput of the Lava backend by number of lanes, beside official single-lane simulation, in one run.

A lane-step is one presentation advanced by one time step. Every figure is that of whole runs of the backend: input
prepared, sent, simulated, received and recorded; the first run of each network, which starts it, is not counted.

    python benchmarks/lava.py [--workers 1] [--json lava.json]
"""

import argparse
import json
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np

from ff2neuro.hardware.backend import get_backend
from ff2neuro.hardware.lava_backend.backend import LavaBackend
from ff2neuro.inputs import InputSource

DT = 1e-4
N_TIME_STEPS = 24
NETWORKS = {"884-200": (884, 200), "784-500-500": (784, 500, 500)}
LANES = (10, 100, 200, 500, 1000)
#: Presentations in a run, by number of lanes: seconds for each, and whole windows.
PRESENTATIONS = {1: 200, 10: 1000, 100: 8000, 200: 8000, 500: 8000, 1000: 8000}
N_FRESH = 5
REPETITIONS = 3


def layered_graph(sizes: tuple[int, ...]) -> nir.NIRGraph:
    """Random 8-bit weights, thresholds at which about a fifth of the neurons spike at a step."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([sizes[0]])})}
    for index, (n_in, n_out) in enumerate(pairwise(sizes)):
        ones = np.ones(n_out)
        nodes[f"layer_{index}_linear"] = nir.Linear(rng.integers(-127, 128, (n_out, n_in)).astype(float))
        nodes[f"layer_{index}_spikes"] = nir.CubaLIF(
            tau_syn=DT * ones,
            tau_mem=2.0**30 * DT * ones,
            r=2.0**30 * ones,
            v_leak=0 * ones,
            v_threshold=(15_000.5 if index == 0 else 1500.5) * ones,
            v_reset=0 * ones,
            w_in=ones,
        )
    nodes["output"] = nir.Output({"output": np.array([sizes[-1]])})
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


def images(n: int, n_inputs: int) -> InputSource:
    """Graded 4-bit input, a fifth of it active, as MNIST has it."""
    rng = np.random.default_rng(1)
    events = rng.integers(1, 16, (n, 1, 1, n_inputs)) * (rng.random((n, 1, 1, n_inputs)) < 0.19)
    return InputSource.from_array(events.astype(np.uint8), N_TIME_STEPS)


def lane_steps_per_second(machine: LavaBackend, graph: nir.NIRGraph, inputs: InputSource) -> float:
    machine.run(graph, inputs).close()
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        machine.run(graph, inputs).close()
        times.append(time.perf_counter() - start)
    return inputs.n_images * N_TIME_STEPS / min(times)


def require_equal_to_reference(machine: LavaBackend, graph: nir.NIRGraph, inputs: InputSource) -> None:
    with machine.run(graph, inputs) as theirs, get_backend("reference").run(graph, inputs) as ours:
        for name in ours.layer_names:
            np.testing.assert_array_equal(theirs.counts(name), ours.counts(name))
            assert ours.counts(name).any()


def measure(name: str, workers: int) -> dict[str, Any]:
    sizes = NETWORKS[name]
    graph = layered_graph(sizes)
    with LavaBackend(lanes=1) as official:
        require_equal_to_reference(official, graph, images(20, sizes[0]))
        single = lane_steps_per_second(official, graph, images(PRESENTATIONS[1], sizes[0]))
        one = images(1, sizes[0])
        start = time.perf_counter()
        for _ in range(N_FRESH):
            official.run(graph, one).close()
        fresh = N_FRESH * N_TIME_STEPS / (time.perf_counter() - start)
    by_lanes = {1: single}
    for lanes in LANES:
        with LavaBackend(lanes=lanes, workers=workers) as machine:
            require_equal_to_reference(machine, graph, images(lanes + 7, sizes[0]))
            by_lanes[lanes] = lane_steps_per_second(machine, graph, images(PRESENTATIONS[lanes], sizes[0]))
    best = max(by_lanes, key=lambda lanes: by_lanes[lanes])
    return {
        "network": name,
        "n_time_steps": N_TIME_STEPS,
        "workers": workers,
        "lane_steps_per_second": {str(lanes): rate for lanes, rate in by_lanes.items()},
        "fresh_network_per_sample_lane_steps_per_second": fresh,
        "fresh_network_samples_measured": N_FRESH,
        "best_lanes": best,
        "best_against_official_long_run": by_lanes[best] / single,
        "best_against_fresh_networks_extrapolated": by_lanes[best] / fresh,
    }


def show(result: dict[str, Any]) -> None:
    rates = result["lane_steps_per_second"]
    single = rates["1"]
    fresh = result["fresh_network_per_sample_lane_steps_per_second"]
    print(f"\n{result['network']}, {result['n_time_steps']} steps, {result['workers']} worker(s)")
    print(f"  {'way':36} {'lane-steps/s':>12} {'x official':>11}")
    way = f"fresh official network per sample ({result['fresh_network_samples_measured']})"
    print(f"  {way:36} {fresh:12.0f} {fresh / single:11.2f}")
    for lanes, rate in rates.items():
        way = "official, one lane, one long run" if lanes == "1" else f"{lanes} lanes"
        print(f"  {way:36} {rate:12.0f} {rate / single:11.1f}")
    print(
        f"  best: {result['best_lanes']} lanes, {result['best_against_official_long_run']:.0f} times the official long "
        f"run, {result['best_against_fresh_networks_extrapolated']:.0f} times fresh networks (extrapolated)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("benchmark-lava.json"), help="where to write the figures")
    arguments = parser.parse_args()
    results = []
    for name in NETWORKS:
        results.append(measure(name, arguments.workers))
        show(results[-1])
    arguments.json.write_text(json.dumps({"cores": os.cpu_count(), "results": results}, indent=1) + "\n")
    print(f"\nwrote {arguments.json}")


if __name__ == "__main__":
    main()
