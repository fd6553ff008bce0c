"""Other programs' conversions of the same ReLU layers, run in whatever environment holds them.

    python benchmarks/conversion_rivals.py spikingjelly|sinabs REQUEST.npz ANSWER.npz

The request holds ``weight_0``, ``weight_1``, ..., ``calibration`` and ``test`` (presentations, inputs) and ``steps``.
The answer holds for every setting, number of steps T and layer l what the layer sends in T steps, on the scale of its
activity, as ``SETTING/T/calibration/l`` and ``SETTING/T/test/l``, and the spikes per neuron and step on test images as
``SETTING/T/spikes``. Needs NumPy, PyTorch and the program alone.
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

    def stop(self) -> list[Array]:
        """Stop listening and return the sums."""
        for hook in self._hooks:
            hook.remove()
        return [layer.numpy() for layer in self.layers]


Simulate = Callable[[Array, int], tuple[list[Array], float]]


def run(
    network: nn.Module, senders: list[nn.Module], reset: Callable[[], None], inputs: Array, T: int
) -> tuple[list[Array], float]:
    """Present every input T times; return the sums of what each module sends, and the spikes per neuron and step."""
    totals: list[list[Array]] = []
    n_spikes, n_bins = 0.0, 0
    for start in range(0, len(inputs), CHUNK):
        chunk = torch.as_tensor(inputs[start : start + CHUNK])
        reset()
        sums = Sums(senders)
        with torch.no_grad():
            for _ in range(T):
                network(chunk)
        totals.append(sums.stop())
        n_spikes, n_bins = n_spikes + sums.n_spikes, n_bins + sums.n_bins
    return [np.concatenate(layer) for layer in zip(*totals, strict=True)], n_spikes / n_bins


def spikingjelly(weights: list[Array], calibration: Array) -> dict[str, Simulate]:
    """Return SpikingJelly's documented ways of rate conversion (ann2snn, 2.0)."""
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.ann2snn import Converter
    from spikingjelly.activation_based.ann2snn.recipes import LocalThresholdBalancingRecipe, RateCodingRecipe

    loader = [torch.as_tensor(calibration)]
    recipes = {
        "max": RateCodingRecipe(loader, mode="Max"),
        "99.9%": RateCodingRecipe(loader, mode="99.9%"),
        "99.9% channel-wise": RateCodingRecipe(loader, mode="99.9%", channel_wise=True),
        "99.9% channel-wise, half threshold": RateCodingRecipe(
            loader, mode="99.9%", channel_wise=True, half_threshold=True
        ),
        "local threshold balancing": LocalThresholdBalancingRecipe(loader),
    }

    def runner(recipe: Any) -> Simulate:
        network = Converter(recipe).convert(relu_layers(weights)).eval()
        senders = [module for name, module in network.named_modules() if name.endswith("scaler1")]
        if len(senders) != len(weights):
            raise RuntimeError(f"{len(senders)} spiking layers were made of {len(weights)}")
        return lambda inputs, T: run(network, senders, lambda: functional.reset_net(network), inputs, T)

    return {name: runner(recipe) for name, recipe in recipes.items()}


def sinabs(weights: list[Array], calibration: Array) -> dict[str, Simulate]:
    """Return Sinabs' `from_model` with and without `normalize_weights`, with many spikes per step and with one."""
    from sinabs.activation import MultiSpike, SingleSpike
    from sinabs.from_torch import from_model
    from sinabs.layers import IAF
    from sinabs.utils import normalize_weights

    def runner(percentile: float | None, spike_fn: Any) -> Simulate:
        model = relu_layers(weights)
        if percentile is not None:
            relus = [str(2 * index + 1) for index in range(len(weights))]
            linears = [str(2 * index) for index in range(len(weights))]
            normalize_weights(model, torch.as_tensor(calibration), relus, linears, percentile)
        network = from_model(model, batch_size=1, spike_fn=spike_fn, spike_layer_class=IAF).spiking_model

        def simulate(inputs: Array, T: int) -> tuple[list[Array], float]:
            network_input = Stepwise(network)
            return run(network_input, network_input.senders, network_input.reset, inputs, T)

        return simulate

    functions = {"many spikes per step": MultiSpike, "one spike per step": SingleSpike}
    scales: dict[str, float | None] = {"as it is": None, "normalised at 99 %": 99.0, "normalised at 99.9 %": 99.9}
    return {
        f"{scale}, {function}": runner(percentile, spike_fn)
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
        calibration, test, steps = request["calibration"], request["test"], request["steps"]
    answer = {}
    for setting, simulate in {"spikingjelly": spikingjelly, "sinabs": sinabs}[program](weights, calibration).items():
        for T in steps:
            for name, inputs in (("calibration", calibration), ("test", test)):
                layers, rate = simulate(inputs, int(T))
                answer[f"{setting}/{T}/spikes"] = np.float32(rate)
                for index, layer in enumerate(layers):
                    answer[f"{setting}/{T}/{name}/{index}"] = layer.reshape(len(inputs), -1).astype(np.float32)
    np.savez(answer_file, **answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
