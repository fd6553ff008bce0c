"""Other programs' conversions of the same ReLU layers, run in whatever environment holds them.

    python benchmarks/conversion_rivals.py spikingjelly|sinabs REQUEST.npz ANSWER.npz

The request holds ``weight_0``, ``weight_1``, ..., ``calibration`` (presentations, inputs) to convert with, ``inputs``
(presentations, inputs) to run, ``steps``, and ``settings`` to run, or none for all. The answer holds for every setting,
number of steps T and layer l what the layer sends in T steps, on the scale of its activity, as ``SETTING/T/l``, and the
spikes per neuron and step as ``SETTING/T/spikes``. Needs NumPy, PyTorch and the program alone.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Array = npt.NDArray[Any]

#: Presentations that are simulated at once.
CHUNK = 500


def relu_layers(weights: list[Array]) -> nn.Sequential:
    """Return bias-free ReLU layers with the given weights."""
    modules: list[nn.Module] = []
    for weight in weights:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight.data = torch.as_tensor(weight, dtype=torch.float32)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules).eval()


class Once(nn.Module):
    """A module that is given the same input at every step, and computes its answer only at the first."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.answer = module, None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the module makes of its input."""
        if self.answer is None:
            self.answer = self.module(inputs)
        return self.answer


class Sums:
    """Sums of what modules send, one call after the other."""

    def __init__(self, senders: list[nn.Module]) -> None:
        self.layers: list[Any] = [0.0] * len(senders)
        self.n_spikes, self.n_bins = 0.0, 0
        self._hooks = [module.register_forward_hook(self._adder(index)) for index, module in enumerate(senders)]

    def _adder(self, index: int) -> Callable[[Any, Any, Any], None]:
        def add(_module: Any, _inputs: Any, output: Any) -> None:
            self.layers[index] = self.layers[index] + output
            # SpikingJelly scales its spikes, one at most per step; Sinabs sends their number.
            single = output.max() <= 0 or not bool((output == output.round()).all())
            self.n_spikes += float(output.count_nonzero() if single else output.sum())
            self.n_bins += output.numel()

        return add

    def so_far(self) -> tuple[list[Array], float, int]:
        """Return the sums of every module, the number of spikes, and of how many there could have been."""
        return [layer.numpy() for layer in self.layers], self.n_spikes, self.n_bins

    def stop(self) -> None:
        """Stop listening."""
        for hook in self._hooks:
            hook.remove()


Result = dict[int, tuple[list[Array], float]]
Simulate = Callable[[Array, list[int]], Result]


def run(
    network: nn.Module, senders: list[nn.Module], reset: Callable[[], None], inputs: Array, steps: list[int]
) -> Result:
    """Present every input at every step; return what modules sent, and spikes per neuron and step, up to each T.

    No setting depends on the number of steps, so a long presentation begins as a short one.
    """
    parts: dict[int, list[tuple[list[Array], float, int]]] = {T: [] for T in steps}
    first = next(module for module in network.modules() if isinstance(module, Once))
    for start in range(0, len(inputs), CHUNK):
        chunk = torch.as_tensor(inputs[start : start + CHUNK])
        reset()
        first.answer = None
        sums = Sums(senders)
        with torch.no_grad():
            for t in range(max(steps)):
                network(chunk)
                if t + 1 in parts:
                    parts[t + 1].append(sums.so_far())
        sums.stop()
    result = {}
    for T, chunks in parts.items():
        layers = [np.concatenate(layer) for layer in zip(*(sent for sent, _, _ in chunks), strict=True)]
        result[T] = layers, sum(spikes for _, spikes, _ in chunks) / sum(bins for _, _, bins in chunks)
    return result


def spikingjelly(weights: list[Array], calibration: Array) -> dict[str, Callable[[], Simulate]]:
    """Return SpikingJelly's documented ways of rate conversion (ann2snn, 2.0)."""
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.ann2snn import Converter
    from spikingjelly.activation_based.ann2snn.recipes import LocalThresholdBalancingRecipe, RateCodingRecipe

    loader = [torch.as_tensor(calibration)]
    modes: dict[str, Any] = {"max": "Max", "99.9%": "99.9%"} | {f"max over {n}": 1 / n for n in (2, 3, 4, 5)}
    ways = {
        "": {},
        ", channel-wise": {"channel_wise": True},
        ", channel-wise from half a threshold": {"channel_wise": True, "half_threshold": True},
    }

    def maker(recipe: Any) -> Callable[[], Simulate]:
        def make() -> Simulate:
            network = Converter(recipe).convert(relu_layers(weights)).eval()
            senders = [module for name, module in network.named_modules() if name.endswith("scaler1")]
            if len(senders) != len(weights):
                raise RuntimeError(f"{len(senders)} spiking layers were made of {len(weights)}")
            setattr(network, "0", Once(network.get_submodule("0")))
            return lambda inputs, steps: run(network, senders, lambda: functional.reset_net(network), inputs, steps)

        return make

    recipes = {
        f"{name}{way}": maker(RateCodingRecipe(loader, mode=mode, **choices))
        for name, mode in modes.items()
        for way, choices in ways.items()
    }
    return {**recipes, "local threshold balancing": maker(LocalThresholdBalancingRecipe(loader))}


def sinabs(weights: list[Array], calibration: Array) -> dict[str, Callable[[], Simulate]]:
    """Return Sinabs' `from_model` with and without `normalize_weights`, with many spikes per step and with one."""
    from sinabs.activation import MultiSpike, SingleSpike
    from sinabs.from_torch import from_model
    from sinabs.layers import IAF
    from sinabs.utils import normalize_weights

    def maker(percentile: float | None, spike_fn: Any) -> Callable[[], Simulate]:
        def make() -> Simulate:
            model = relu_layers(weights)
            if percentile is not None:
                relus = [str(2 * index + 1) for index in range(len(weights))]
                linears = [str(2 * index) for index in range(len(weights))]
                normalize_weights(model, torch.as_tensor(calibration), relus, linears, percentile)
            network = from_model(model, batch_size=1, spike_fn=spike_fn, spike_layer_class=IAF).spiking_model
            network[0] = Once(network[0])
            stepwise = Stepwise(network)
            return lambda inputs, steps: run(stepwise, stepwise.senders, stepwise.reset, inputs, steps)

        return make

    functions = {"many spikes per step": MultiSpike, "one spike per step": SingleSpike}
    scales = {"as it is": None} | {f"normalised at {percent:g} %": percent for percent in (99.0, 99.9, 100.0)}
    return {
        f"{scale}, {function}": maker(percentile, spike_fn)
        for scale, percentile in scales.items()
        for function, spike_fn in functions.items()
    }


class Stepwise(nn.Module):
    """A Sinabs network that takes one step at a time: its layers want an axis of time, and keep their states."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.senders = [module for module in network.modules() if hasattr(module, "reset_states")]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Take one step: (presentations, inputs) in, (presentations, neurons) out."""
        output: torch.Tensor = self.network(inputs[:, None])
        return output[:, 0]

    def reset(self) -> None:
        """Put every layer to rest."""
        for module in self.senders:
            module.reset_states()


def main(program: str, request_file: str, answer_file: str) -> None:
    with np.load(request_file, allow_pickle=False) as request:
        weights = [request[f"weight_{index}"] for index in range(int(request["n_layers"]))]
        calibration, inputs, wanted = request["calibration"], request["inputs"], request["settings"].tolist()
        steps = [int(T) for T in request["steps"]]
    answer = {}
    for setting, make in {"spikingjelly": spikingjelly, "sinabs": sinabs}[program](weights, calibration).items():
        if wanted and setting not in wanted:
            continue
        for T, (layers, rate) in make()(inputs, steps).items():
            answer[f"{setting}/{T}/spikes"] = np.float32(rate)
            for index, layer in enumerate(layers):
                answer[f"{setting}/{T}/{index}"] = layer.reshape(len(inputs), -1).astype(np.float32)
    np.savez(answer_file, **answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
