"""Graphs that cover each node, each dialect and each way in which readers part."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.hardware.backend import RunConfig

__all__ = ["CASES", "Case", "chain", "events_for", "portable", "random_case"]

Array = npt.NDArray[Any]

DT = 1e-4
N_PRESENTATIONS = 5
N_TIME_STEPS = 40
#: tau_mem / dt of a leak-free neuron in the portable dialect.
LEAK_FREE = 2.0**30


@dataclass(frozen=True, eq=False)
class Case:
    """A graph with the settings of its run."""

    name: str
    graph: nir.NIRGraph
    dt: float = DT
    reset: Literal["zero", "subtract"] = "zero"
    max_spikes_per_step: int = 1

    @property
    def config(self) -> RunConfig:
        """What the graph does not say."""
        return RunConfig(dt=self.dt, reset=self.reset, record="spikes", max_spikes_per_step=self.max_spikes_per_step)

    def stored(self) -> nir.NIRGraph:
        """Return the graph as it comes back from a file, where numbers and tuples have become arrays."""
        file = io.BytesIO()
        nir.write(file, self.graph)
        return nir.read(file, type_check=False)


def chain(shape: tuple[int, ...], *nodes: nir.NIRNode) -> nir.NIRGraph:
    """Put nodes in a row between an input of a shape and an output."""
    named: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array(shape)})}
    named |= {f"{type(node).__name__.lower()}_{index}": node for index, node in enumerate(nodes)}
    last = nodes[-1]
    named["output"] = nir.Output({"output": np.array(np.shape(last.r))})
    return nir.NIRGraph(named, list(pairwise(named)), type_check=False)


def portable(shape: Any, threshold: Any, leak: int = 0, synapse: float = 1.0, **changes: Any) -> nir.CubaLIF:
    """Neurons in the portable encoding, with a leak of n/4096 and a synapse of `synapse` steps."""
    ones = np.ones(shape)
    steps = 4096 / leak if leak else LEAK_FREE
    fields = {
        "tau_syn": synapse * DT * ones,
        "tau_mem": steps * DT * ones,
        "r": steps * ones,
        "v_leak": 0 * ones,
        "v_threshold": threshold * ones,
        "v_reset": 0 * ones,
        "w_in": synapse * ones,
    }
    return nir.CubaLIF(**(fields | changes))


def nested(w: "_Weights") -> nir.NIRGraph:
    """Make a graph whose first layer is a graph of its own."""
    nodes = {
        "input": nir.Input({"input": np.array([6])}),
        "block": chain((6,), w.linear(8, 6), portable(8, 40.5)),
        "linear": w.linear(4, 8),
        "neurons": portable(4, 10.5),
        "output": nir.Output({"output": np.array([4])}),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


def native_if(shape: Any, threshold: float, r: float = 1 / DT, v_reset: float = 0.0) -> nir.IF:
    """Leak-free neurons."""
    ones = np.ones(shape)
    return nir.IF(r=r * ones, v_threshold=threshold * ones, v_reset=v_reset * ones)


def native_lif(shape: Any, threshold: float, steps: float = 20.0, **changes: Any) -> nir.LIF:
    """Leaky neurons with a time constant of `steps` steps and r = 1, unless told otherwise."""
    ones = np.ones(shape)
    fields = {
        "tau": steps * DT * ones,
        "r": ones,
        "v_leak": 0 * ones,
        "v_threshold": threshold * ones,
        "v_reset": 0 * ones,
    }
    return nir.LIF(**(fields | changes))


def events_for(graph: nir.NIRGraph, seed: int = 1) -> Array:
    """Whole input events of shape (n_presentations, n_time_steps, *input_shape)."""
    (shape,) = (node.input_type["input"] for node in graph.nodes.values() if isinstance(node, nir.Input))
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (N_PRESENTATIONS, N_TIME_STEPS, *(int(size) for size in shape))).astype(np.float64)


def random_case(seed: int, leaky: bool) -> Case:
    """Make a portable network of random depth, width, weights, biases, thresholds and leaks."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 24, rng.integers(2, 5))
    nodes: list[nir.NIRNode] = []
    for n_in, n_out in pairwise(sizes):
        # More excitation than inhibition, so that no layer falls silent.
        weight = rng.integers(-80, 128, (n_out, n_in)).astype(np.float64)
        biased = rng.random() < 0.3
        nodes.append(nir.Affine(weight, rng.integers(-40, 41, n_out).astype(float)) if biased else nir.Linear(weight))
        threshold = int(rng.integers(20, 400)) + 0.5
        nodes.append(portable(int(n_out), threshold, int(rng.integers(40, 1500)) if leaky else 0))
    return Case(f"random {'LIF' if leaky else 'IF'} {seed}", chain((int(sizes[0]),), *nodes))


class _Weights:
    """Whole weights, and nodes made of them."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> Array:
        return self._rng.integers(-9, 16, shape).astype(np.float64)

    def linear(self, n_out: int, n_in: int, scale: float = 1.0) -> nir.Linear:
        return nir.Linear(self(n_out, n_in) * scale)

    def affine(self, n_out: int, n_in: int) -> nir.Affine:
        return nir.Affine(self(n_out, n_in), self(n_out))

    def conv2d(self, shape: tuple[int, ...], stride: int = 1, padding: Any = 1, groups: int = 1) -> nir.Conv2d:
        return nir.Conv2d((6, 6), self(*shape), stride, padding, 1, groups, self(shape[0]))

    def conv1d(self, shape: tuple[int, ...], padding: Any = 0, groups: int = 1) -> nir.Conv1d:
        return nir.Conv1d(12, self(*shape), 1, padding, 1, groups, self(shape[0]))


def _pool(kind: type, size: int, padding: int = 0) -> nir.NIRNode:
    return kind(*(np.full(2, value) for value in (size, size, padding)))


def _flatten(shape: tuple[int, ...], start: int) -> nir.Flatten:
    return nir.Flatten({"input": np.array(shape)}, start_dim=start)


def _in_single_precision(node: nir.CubaLIF) -> nir.CubaLIF:
    return nir.CubaLIF(**{name: np.asarray(value, np.float32) for name, value in vars(node).items() if name in _FIELDS})


_FIELDS = ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")


def _dialects(w: _Weights) -> Iterator[Case]:
    """Both dialects, as the exporter writes them."""
    pair = (w.linear(8, 6), portable(8, 40.5), w.linear(4, 8), portable(4, 10.5))
    yield Case("portable IF", chain((6,), *pair))
    yield Case(
        "portable IF, with bias", chain((6,), w.affine(8, 6), portable(8, 40.5), w.affine(4, 8), portable(4, 9.5))
    )
    leaky = (w.linear(8, 6), portable(8, 40.5, 300), w.linear(4, 8), portable(4, 10.5, 200))
    yield Case("portable LIF", chain((6,), *leaky))
    native = (w.linear(8, 6), native_if(8, 40.5), w.linear(4, 8), native_if(4, 10.5))
    yield Case("native IF, r = 1/dt", chain((6,), *native))
    native = (
        w.linear(8, 6),
        native_lif(8, 40.53, r=np.full(8, 20.0)),
        w.linear(4, 8),
        native_lif(4, 10.53, r=np.full(4, 20.0)),
    )
    yield Case("native LIF, r = tau/dt", chain((6,), *native))
    soft = chain((6,), w.linear(8, 6), native_if(8, 40.5))
    yield Case("native IF, reset by subtraction", soft, reset="subtract")
    yield Case("native IF, several spikes in a step", soft, reset="subtract", max_spikes_per_step=15)


def _neurons(w: _Weights) -> Iterator[Case]:
    """Neurons of other people."""
    one = w.linear(8, 6)
    steps = np.arange(10.0, 18.0)
    yield Case("IF, r = 1, last", chain((6,), one, native_if(8, 40.5 * DT, 1.0)))
    small = (w.linear(8, 6), native_if(8, 40.5 * DT, 1.0), w.linear(4, 8), native_if(4, 10.5 * DT, 1.0))
    yield Case("IF, r = 1, two layers", chain((6,), *small))
    yield Case("IF, v_reset below 0", chain((6,), one, native_if(8, 40.5, v_reset=-8.0)))
    yield Case("LIF, r = 1", chain((6,), one, native_lif(8, 4.53), w.linear(4, 8), native_lif(4, 0.53)))
    yield Case("LIF, r = 1, dt = 1e-3 s", chain((6,), one, native_lif(8, 4.53)), dt=1e-3)
    yield Case("LIF, r uneven", chain((6,), one, native_lif(8, 4.53, r=np.arange(5.0, 13.0))))
    yield Case("LIF, r = tau/dt, tau uneven", chain((6,), one, native_lif(8, 40.53, tau=steps * DT, r=steps)))
    yield Case("LIF, v_leak above 0", chain((6,), one, native_lif(8, 4.53, v_leak=np.full(8, 3.0))))
    yield Case("LIF, v_reset below 0", chain((6,), one, native_lif(8, 4.53, v_reset=np.full(8, -3.0))))
    lif = native_lif(8, 4.53, v_reset=np.full(8, -3.0), v_leak=np.full(8, -3.0))
    yield Case("LIF, v_leak = v_reset below 0", chain((6,), one, lif))
    yield Case("LIF, tau = dt", chain((6,), one, native_lif(8, 40.53, steps=1.0)))
    yield Case(
        "CubaLIF, gain 1", chain((6,), one, portable(8, 40.53, 300, 8.0), w.linear(4, 8), portable(4, 9.53, 200))
    )
    yield Case("CubaLIF, w_in = 1", chain((6,), one, portable(8, 10.53, 300, 8.0, w_in=np.ones(8))))
    yield Case("CubaLIF, r = 5", chain((6,), one, portable(8, 10.53, 300, r=np.full(8, 5.0))))
    yield Case("CubaLIF, tau_syn uneven", chain((6,), one, portable(8, 40.53, 300, steps, w_in=steps)))
    yield Case("CubaLIF, w_in uneven", chain((6,), one, portable(8, 10.53, 300, 8.0, w_in=np.arange(1.0, 9.0))))
    yield Case("CubaLIF, v_leak above 0", chain((6,), one, portable(8, 40.5, 300, v_leak=np.full(8, 8.0))))
    yield Case("CubaLIF, v_reset below 0", chain((6,), one, portable(8, 40.5, v_reset=np.full(8, -8.0))))
    yield Case("CubaLIF, thresholds uneven", chain((6,), one, portable(8, 40.5 + np.arange(8))))
    yield Case("CubaLIF, threshold on the grid of the weights", chain((6,), one, portable(8, 40.0)))
    yield Case("CubaLIF, parameters are scalars", chain((6,), one, portable((), 40.5)))
    yield Case("CubaLIF, single precision", chain((6,), one, _in_single_precision(portable(8, 40.5))))
    yield Case(
        "LI as readout", chain((6,), one, portable(8, 40.5), nir.LI(*(np.full(8, v) for v in (20 * DT, 20.0, 0.0))))
    )


def _linear(w: _Weights) -> Iterator[Case]:
    """Linear nodes, in front of portable neurons."""
    yield Case("Scale", chain((6,), nir.Scale(np.arange(1.0, 7.0)), w.linear(8, 6), portable(8, 40.5)))
    yield Case("Linear, int8 weights", chain((6,), nir.Linear(w(8, 6).astype(np.int8)), portable(8, 40.5)))
    yield Case("nested graph", nested(w))
    yield Case("neurons behind the input", chain((6,), portable(6, 4.5), portable(6, 0.5)))
    for start in (0, 1):
        nodes = (w.conv2d((3, 1, 3, 3)), portable((3, 6, 6), 40.5), _flatten((3, 6, 6), start), w.linear(4, 108))
        yield Case(f"Conv2d, Flatten start_dim = {start}", chain((1, 6, 6), *nodes, portable(4, 80.5)))
        nodes = (_flatten((1, 6, 6), start), w.linear(4, 36), portable(4, 80.5))
        yield Case(f"Flatten of one channel, start_dim = {start}", chain((1, 6, 6), *nodes))
        nodes = (_flatten((6,), start), w.linear(4, 6), portable(4, 80.5))
        yield Case(f"Flatten of a flat array, start_dim = {start}", chain((6,), *nodes))
    yield Case("Conv2d, kernel 3 x 5", chain((1, 6, 6), w.conv2d((3, 1, 3, 5)), portable((3, 6, 4), 40.5)))
    yield Case("Conv2d, stride 2", chain((2, 6, 6), w.conv2d((4, 2, 3, 3), 2), portable((4, 3, 3), 40.5)))
    yield Case("Conv2d, padding 'same'", chain((1, 6, 6), w.conv2d((3, 1, 3, 3), 1, "same"), portable((3, 6, 6), 40.5)))
    yield Case("Conv2d, depthwise", chain((2, 6, 6), w.conv2d((4, 1, 3, 3), groups=2), portable((4, 6, 6), 40.5)))
    yield Case("Conv2d, groups", chain((4, 6, 6), w.conv2d((4, 2, 3, 3), groups=2), portable((4, 6, 6), 40.5)))
    yield Case("Conv1d", chain((2, 12), w.conv1d((3, 2, 3)), portable((3, 10), 40.5)))
    yield Case("Conv1d of unchanged size", chain((2, 12), w.conv1d((2, 2, 3), "same"), portable((2, 12), 40.5)))
    yield Case("Conv1d, depthwise", chain((2, 12), w.conv1d((4, 1, 3), groups=2), portable((4, 10), 40.5)))
    yield Case("SumPool2d", chain((2, 6, 6), _pool(nir.SumPool2d, 2), portable((2, 3, 3), 40.5)))
    yield Case("SumPool2d, padding", chain((2, 6, 6), _pool(nir.SumPool2d, 2, 1), portable((2, 4, 4), 40.5)))
    nodes = (_pool(nir.SumPool2d, 2, 1), _flatten((1, 4, 4), 1), w.linear(4, 16), portable(4, 80.5))
    yield Case("SumPool2d, padding, Linear behind", chain((1, 6, 6), *nodes))
    yield Case("AvgPool2d", chain((2, 6, 6), _pool(nir.AvgPool2d, 2), portable((2, 3, 3), 40.53)))
    yield Case("AvgPool2d, padding", chain((2, 6, 6), _pool(nir.AvgPool2d, 2, 1), portable((2, 4, 4), 40.53)))


#: In the order of the table.
CASES: tuple[Case, ...] = (*_dialects(_Weights(1)), *_neurons(_Weights(2)), *_linear(_Weights(3)))
