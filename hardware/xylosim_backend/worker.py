"""Simulates one chunk with xylosim; run by its own Python, as a script, without the rest of this package.

    python worker.py REQUEST.npz ANSWER.npz

All layers stand in the recurrent population of one Xylo, whose connections take a step each.
"""

import sys
from typing import Any

import numpy as np
from xylosim.v2 import XyloLayer, XyloSynapse


def main(request_path: str, answer_path: str) -> None:
    """Read a request, simulate it and write the answer."""
    with np.load(request_path, allow_pickle=False) as request:
        answer = simulate(dict(request))
    np.savez(answer_path, **answer)


def simulate(request: dict[str, Any]) -> dict[str, Any]:
    """Return spikes and potentials of every layer, (presentation, step, neuron); several spikes per step may be."""
    weights = [request[f"weight_{index}"] for index in range(int(request["n_layers"]))]
    sizes = [len(weight) for weight in weights]
    parameters = parameters_of(request, weights, sizes)
    # It keeps no reference to what it is made of, and would read freed memory.
    layer = XyloLayer(**parameters)
    events = request["events"]
    silence = np.zeros((len(weights) - 1, events.shape[2]), dtype=int)
    spikes, potentials = [], []
    for presentation in events:
        layer.reset_all()
        layer.evolve(np.concatenate([presentation, silence]).tolist())
        spikes.append(np.array(layer.rec_recurrent_spikes))
        potentials.append(np.array(layer.rec_v_mem).T)
    answer = {}
    for name, recorded in (("spikes", np.array(spikes)), ("v", np.array(potentials))):
        for index, part in enumerate(np.split(recorded, np.cumsum(sizes)[:-1], axis=2)):
            answer[f"{name}_{index}"] = part[:, index : index + events.shape[1]]
    return answer


def parameters_of(request: dict[str, Any], weights: list[Any], sizes: list[int]) -> dict[str, Any]:
    """Arguments of a simulated Xylo."""
    n_neurons = sum(sizes)
    starts = np.cumsum([0, *sizes])
    recurrent: list[list[Any]] = []
    for index, weight in enumerate(weights[1:], 1):
        recurrent += synapses(weight, starts[index])
    recurrent += [[] for _ in range(sizes[-1])]
    return {
        "synapses_in": synapses(weights[0], 0),
        "synapses_rec": recurrent,
        # The outputs are not used, but there has to be one.
        "synapses_out": [[XyloSynapse(0, 0, 1)] for _ in range(n_neurons)],
        "aliases": [[] for _ in range(n_neurons)],
        "threshold": np.concatenate([request[f"threshold_{index}"] for index in range(len(sizes))]).tolist(),
        "threshold_out": [1],
        "has_bias": False,
        "bias": [0] * n_neurons,
        "bias_out": [0],
        "weight_shift_inp": 0,
        "weight_shift_rec": 0,
        "weight_shift_out": 0,
        "dash_mem": np.repeat(request["dash_mem"], sizes).tolist(),
        "dash_mem_out": [1],
        "dash_syns": np.repeat(request["dash_syn"], sizes)[:, None].repeat(2, axis=1).tolist(),
        "dash_syns_out": [[0]],
        "name": "ff2neuro",
    }


def synapses(weight: Any, first: int) -> list[list[Any]]:
    """Synapses of each sender to neurons that are counted from `first`."""
    return [
        [XyloSynapse(int(first + target), 0, int(value)) for target, value in enumerate(column) if value]
        for column in weight.T
    ]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
