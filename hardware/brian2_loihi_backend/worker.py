"""Simulates one chunk with brian2-loihi; run by its own Python, as a script, without the rest of this package.

    python worker.py REQUEST.npz ANSWER.npz

Presentations stand side by side as copies of the network, which share nothing. Loihi 1 has no graded spikes, so an
input channel is one source for each bit of its values, with the bit as weight exponent. Weights are split by sign: in
these modes every integer is kept, while mixed signs would keep even ones only.
"""

import sys
from typing import Any

import brian2_loihi as loihi
import numpy as np
from brian2 import prefs


def main(request_path: str, answer_path: str) -> None:
    """Read a request, simulate it and write the answer."""
    prefs.codegen.target = "numpy"
    with np.load(request_path, allow_pickle=False) as request:
        answer = simulate(dict(request))
    np.savez(answer_path, **answer)


def simulate(request: dict[str, Any]) -> dict[str, Any]:
    """Return spikes of every layer, (presentation, step, neuron), and the lowest potential of any neuron."""
    events = request["events"]
    n_lanes, n_time_steps, n_inputs = events.shape
    n_layers = int(request["n_layers"])
    weights = [request[f"weight_{index}"] for index in range(n_layers)]
    layers = [
        loihi.LoihiNeuronGroup(
            n_lanes * len(weight),
            threshold_v_mant=int(request["vth"][index]),
            decay_v=int(request["mem_leak"][index]),
            decay_I=int(request["syn_leak"][index]),
        )
        for index, weight in enumerate(weights)
    ]
    parts = list(layers)
    for bit in range(int(events.max(initial=0)).bit_length()):
        lane, step, channel = np.nonzero((events >> bit) & 1)
        order = np.argsort(step, kind="stable")
        source = loihi.LoihiSpikeGeneratorGroup(n_lanes * n_inputs, (lane * n_inputs + channel)[order], step[order])
        parts += [source, *connect(source, layers[0], weights[0], n_lanes, bit)]
    for index in range(1, n_layers):
        parts += connect(layers[index - 1], layers[index], weights[index], n_lanes, 0)
    spikes = [loihi.LoihiSpikeMonitor(layer) for layer in layers]
    potentials = [loihi.LoihiStateMonitor(layer, "v") for layer in layers]
    network = loihi.LoihiNetwork(*parts, *spikes, *potentials)
    network.run(n_time_steps + n_layers)
    answer = {
        f"spikes_{index}": shifted(monitor, index, n_lanes, n_time_steps, len(weights[index]))
        for index, monitor in enumerate(spikes)
    }
    return answer | {"lowest": min(float(np.min(monitor.v, initial=0)) for monitor in potentials)}


def connect(source: Any, target: Any, weight: np.ndarray, n_lanes: int, exponent: int) -> list[Any]:
    """Connect copies of a layer to copies of the next."""
    n_out, n_in = weight.shape
    lanes = np.arange(n_lanes)[:, None]
    made = []
    for mode, part in (
        (loihi.synapse_sign_mode.EXCITATORY, np.maximum(weight, 0)),
        (loihi.synapse_sign_mode.INHIBITORY, np.minimum(weight, 0)),
    ):
        receiver, sender = np.nonzero(part)
        if receiver.size == 0:
            continue
        synapses = loihi.LoihiSynapses(source, target, sign_mode=mode, w_exp=exponent)
        synapses.connect(i=(lanes * n_in + sender).ravel(), j=(lanes * n_out + receiver).ravel())
        synapses.w = np.tile(part[receiver, sender], n_lanes)
        made.append(synapses)
    return made


def shifted(monitor: Any, delay: int, n_lanes: int, n_time_steps: int, n_neurons: int) -> np.ndarray:
    """Spikes bin by bin; every layer but the first answers a step after the one before it."""
    neuron, step = np.asarray(monitor.i), np.asarray(monitor.t).astype(int) - delay
    kept = (step >= 0) & (step < n_time_steps)
    spikes = np.zeros((n_lanes, n_time_steps, n_neurons), dtype=np.uint8)
    spikes[neuron[kept] // n_neurons, step[kept], neuron[kept] % n_neurons] = 1
    return spikes


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
