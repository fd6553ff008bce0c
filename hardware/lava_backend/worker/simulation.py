"""Windows of input through a network, and what every layer answered to them.

Layer i (from 0) answers input bin t one step later per Dense on the way: at step t + i + 1. A window is complete when
the last layer has answered its last bin; meanwhile the next window is under way already. Where none follows, silent
windows push the last answers out.
"""

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ff2neuro.hardware.lava_backend.worker.network import Network, NetworkSpec

__all__ = ["Collector", "Observer", "Simulation"]

Array = npt.NDArray[Any]
Answer = tuple[int, dict[str, Array]]


class Observer(Protocol):
    """Whoever wants to know how a simulation gets on."""

    def heartbeat(self) -> None:
        """Note that a time step is done."""

    def started(self, segments: list[str]) -> None:
        """Note that a network has started, which uses shared memory of these names."""


class Collector:
    """Cuts the output of every step into the windows that it answers.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    record : {"counts", "spikes"}
        Whether to sum spikes over a window.
    states : bool
        Whether u and v come with the spikes.
    """

    def __init__(self, spec: NetworkSpec, record: str, states: bool) -> None:
        self._n_time_steps = spec.n_time_steps
        self._record = record
        self._variables = ("spikes", "u", "v") if states else ("spikes",)
        self._shapes = [spec.shape(len(layer.vth)) for layer in spec.layers]
        self._open: list[dict[str, Array]] = [{} for _ in self._shapes]
        self._complete: list[deque[dict[str, Array]]] = [deque() for _ in self._shapes]
        self._step = 0

    def take(self, spikes: list[Array], states: list[tuple[Array, Array]] | None = None) -> None:
        """Add what all layers did in the next time step."""
        for index, layer_spikes in enumerate(spikes):
            bin_index = self._step - index - 1
            # Before the first input has come through, a layer with a bias may spike; nobody asked.
            if bin_index < 0:
                continue
            values = (layer_spikes, *states[index]) if states else (layer_spikes,)
            self._add(index, bin_index % self._n_time_steps, values)
        self._step += 1

    def _add(self, index: int, t: int, values: tuple[Array, ...]) -> None:
        window = self._open[index]
        if t == 0:
            window.update({name: self._empty(index, name) for name in self._variables})
        for name, value in zip(self._variables, values, strict=True):
            if name == "spikes" and self._record == "counts":
                np.add(window[name], value, out=window[name], casting="unsafe")
            else:
                window[name][t] = value
        if t == self._n_time_steps - 1:
            self._complete[index].append(dict(window))

    def _empty(self, index: int, name: str) -> Array:
        if name == "spikes" and self._record == "counts":
            return np.zeros(self._shapes[index], dtype=np.uint16)
        dtype = np.uint8 if name == "spikes" else np.int32
        return np.empty((self._n_time_steps, *self._shapes[index]), dtype=dtype)

    @property
    def n_complete(self) -> int:
        """Number of windows that every layer has answered."""
        return min(len(complete) for complete in self._complete)

    def pop(self, n_windows: int) -> dict[str, Array]:
        """Remove the oldest complete windows and return them, stacked, by variable and layer (``spikes_0``)."""
        answer = {}
        for index, complete in enumerate(self._complete):
            windows = [complete.popleft() for _ in range(n_windows)]
            for name in self._variables:
                answer[f"{name}_{index}"] = np.stack([window[name] for window in windows])
        return answer


class Simulation:
    """A network that is fed windows and answers them.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    record, states
        As for `Collector`.
    observer : Observer
        Told what goes on.
    """

    def __init__(self, spec: NetworkSpec, record: str, states: bool, observer: Observer) -> None:
        self._spec, self._record, self._states, self._observer = spec, record, states, observer
        self._collector = Collector(spec, record, states)
        self._network = None if spec.lanes == 1 else self._start()
        #: What was fed and is not answered yet: identity (None for silence) and number of windows.
        self._fed: deque[tuple[int | None, int]] = deque()
        #: Windows until the last layer has answered all that was fed.
        self._n_delayed = -(-len(spec.layers) // spec.n_time_steps)

    def _start(self, ring: Array | None = None) -> Network:
        network = Network(self._spec, ring)
        self._observer.started(network.segments)
        return network

    @property
    def pending(self) -> bool:
        """Whether input was fed that is not answered yet."""
        return any(identity is not None for identity, _ in self._fed)

    def feed(self, identity: int, windows: Array) -> Iterator[Answer]:
        """Run windows of input through the network.

        Parameters
        ----------
        identity : int
            Comes back with the answer.
        windows : ndarray of uint8, shape (n_windows, n_time_steps or 1, lanes, n_inputs)
            Input; with one time step it is the same at every step.

        Yields
        ------
        identity : int
            What was fed; earlier windows are answered first.
        answer : dict of str to ndarray
            As `Collector.pop` returns.
        """
        self._fed.append((identity, len(windows)))
        if self._network is None:
            self._run_official(windows)
        else:
            self._run(self._network, len(windows), windows)
        yield from self._answers()

    def flush(self) -> Iterator[Answer]:
        """Push the answers out that are still under way; yields as `feed`."""
        silence = np.zeros((1, 1, *self._spec.shape(self._spec.n_inputs)), dtype=np.uint8)
        if self._network is not None:
            self._fed.append((None, self._n_delayed))
            self._run(self._network, self._n_delayed, silence)
        yield from self._answers()

    def stop(self) -> None:
        """End the network."""
        if self._network is not None:
            self._network.stop()

    def _run(self, network: Network, n_windows: int, windows: Array) -> None:
        n_bins = self._spec.n_time_steps

        def inputs(step: int) -> Array:
            window, t = divmod(step, n_bins)
            bins = windows[window % len(windows)]
            events: Array = bins[t % len(bins)]
            return events

        n_steps = n_windows * n_bins
        if self._states:
            for step in range(n_steps):
                # u and v can be read only where the run pauses.
                (spikes,) = network.advance(1, partial(lambda step, _: inputs(step), step))
                self._collector.take(spikes, network.states())
                self._observer.heartbeat()
        else:
            for spikes in network.advance(n_steps, inputs):
                self._collector.take(spikes)
                self._observer.heartbeat()

    def _run_official(self, windows: Array) -> None:
        """Run a network of its own, whose source holds all windows and the silence after them."""
        n_windows, n_inputs = len(windows), windows.shape[-1]
        bins = np.zeros((n_windows + self._n_delayed, self._spec.n_time_steps, n_inputs), dtype=np.int32)
        bins[:n_windows] = windows[:, :, 0]
        # A fresh network starts at step 1 again.
        self._collector = Collector(self._spec, self._record, self._states)
        network = self._start(bins.reshape(-1, n_inputs).T)
        self._run(network, len(bins), windows)
        network.stop()

    def _answers(self) -> Iterator[Answer]:
        while self._fed and self._collector.n_complete >= self._fed[0][1]:
            identity, n_windows = self._fed.popleft()
            answer = self._collector.pop(n_windows)
            if identity is not None:
                yield identity, answer
