"""What a machine is to the rest of the program: a graph and input events in, a recording out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import TracebackType

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import Reset
from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.early_exit import ScoreBounds
from ff2neuro.hardware.plugins import load_plugin, origin_of, plugin_names, plugins_named
from ff2neuro.inputs import InputSource
from ff2neuro.recording import Kind, Recording, RecordingHeader
from ff2neuro.spike_numbers import require_spikes_per_step

__all__ = ["Backend", "RunConfig", "available_backends", "get_backend"]

# One row per machine: where its class lives. Imported only when asked for, since some load whole frameworks.
_BACKENDS = {
    "reference": ("ff2neuro.hardware.reference_backend.backend", "ReferenceBackend"),
    "lava": ("ff2neuro.hardware.lava_backend.backend", "LavaBackend"),
    "snntorch": ("ff2neuro.hardware.snntorch_backend.backend", "SnnTorchBackend"),
    "brian2-loihi": ("ff2neuro.hardware.brian2_loihi_backend.backend", "Brian2LoihiBackend"),
    "xylosim": ("ff2neuro.hardware.xylosim_backend.backend", "XylosimBackend"),
}


@dataclass(frozen=True)
class RunConfig:
    """What a graph does not say and a run must know.

    Attributes
    ----------
    dt : float
        Length of a time step [s].
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential; NIR can express only "zero".
    record : {"counts", "spikes"}
        Whether to sum spikes over time.
    states : bool
        Whether to record u and v after each step as well, where the machine can.
    time_limit : float or None
        Seconds after which a machine that makes no progress is given up.
    v_init : mapping of str to ndarray of shape (n_neurons,)
        Membrane potential at the start of every presentation, by the name of the layer, in the units of its weights;
        0 for layers that are not named, which is all that NIR can express.
    max_spikes_per_step : int
        How many spikes a neuron can send in one step; NIR can express only 1. More, up to `MOST_SPIKES_PER_STEP`, take
        reset by subtraction: a neuron sends one for every threshold that its potential exceeds.
    early_exit : callable or None
        What counts make of the score of a hypothesis: with it, a machine whose `Backend.stops_early` is true simulates
        no further what can no longer win, and the recording says what it left out.

    Raises
    ------
    ConfigurationError
        If `dt` is not positive, or several spikes in a step are asked for with reset to zero, or too many.
    """

    dt: float = 1e-4
    reset: Reset = "zero"
    record: Kind = "counts"
    states: bool = False
    time_limit: float | None = None
    v_init: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict, compare=False)
    max_spikes_per_step: int = 1
    early_exit: ScoreBounds | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.dt < float("inf"):
            raise ConfigurationError(f"dt is {self.dt} s; it must be positive and finite")
        require_spikes_per_step(self.max_spikes_per_step, self.reset)


class Backend(ABC):
    """A machine that runs NIR graphs.

    Used as a context manager: machines that must be started are started on entry and stopped on exit.
    """

    #: Name on the command line.
    name: str
    #: Whether the machine can stop hypotheses that can no longer win.
    stops_early: bool = False
    #: Whether its neurons can send several spikes in one step, see `RunConfig.max_spikes_per_step`.
    sends_several: bool = False

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the machine or its simulator."""

    def recording_header(
        self, layers: Mapping[str, int], inputs: InputSource, config: RunConfig, arithmetic: str
    ) -> RecordingHeader:
        """Return the header of the recording that a run will write.

        Parameters
        ----------
        layers : mapping of str to int
            Number of neurons of every recorded layer, in the order of the network.
        inputs : InputSource
            Input events.
        config : RunConfig
            What the graph does not say.
        arithmetic : {"fixed", "float"}
            Which of the two arithmetics of `ff2neuro.dynamics` the machine uses.

        Returns
        -------
        RecordingHeader
            The header, with this machine's name and version.

        Raises
        ------
        ConfigurationError
            If an early exit is asked of a machine that has none, or where there is nothing to decide; or several spikes
            in a step of a machine whose neurons send one.
        """
        self.check_early_exit(inputs, config)
        if config.max_spikes_per_step > 1 and not self.sends_several:
            raise ConfigurationError(
                f"neurons are to send up to {config.max_spikes_per_step} spikes in a step; those of backend "
                f"{self.name!r} send one: export without --max-spikes-per-step, or use the reference"
            )
        return RecordingHeader(
            layers=layers,
            n_images=inputs.n_images,
            n_hypotheses=inputs.n_hypotheses,
            n_time_steps=inputs.n_time_steps,
            kind=config.record,
            backend=self.name,
            backend_version=self.version,
            arithmetic=arithmetic,
            dt=config.dt,
            states=config.states,
            early_exit=config.early_exit is not None,
            max_spikes_per_step=config.max_spikes_per_step,
        )

    def check_early_exit(self, inputs: InputSource, config: RunConfig) -> None:
        """Refuse an early exit that cannot be had.

        Parameters
        ----------
        inputs : InputSource
            Input events.
        config : RunConfig
            What the graph does not say.

        Raises
        ------
        ConfigurationError
            If an early exit is asked of a machine that has none, where there is nothing to decide, or with a recording
            that has no room for what is left out.
        """
        if config.early_exit is None:
            return
        if not self.stops_early:
            raise ConfigurationError(
                f"backend {self.name!r} cannot stop hypotheses early; leave the early exit out or use the reference"
            )
        if inputs.n_hypotheses < 2:
            raise ConfigurationError(
                f"the input has {inputs.n_hypotheses} hypothesis per image, so that an early exit has nothing to "
                "decide; it needs at least 2: a network that classifies in one pass has none"
            )
        if config.record != "counts" or config.states:
            raise ConfigurationError("an early exit leaves steps out, so that only counts can be recorded with it")

    @abstractmethod
    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph, each from rest.

        Parameters
        ----------
        graph : nir.NIRGraph
            A chain from one input to one output; left untouched.
        inputs : InputSource
            Input events.
        config : RunConfig, optional
            What the graph does not say.
        out : Path, optional
            Where to write the recording; by default it stays in memory.

        Returns
        -------
        Recording
            Spikes of every spiking layer, under the name of its node; bin t answers input bin t.

        Raises
        ------
        GraphError
            If the machine cannot honour the graph exactly.
        RangeError
            If weights, thresholds, inputs or currents are beyond what the machine can hold.
        BackendError
            If the machine fails.
        """

    def __enter__(self) -> "Backend":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def available_backends() -> list[str]:
    """Return the names of all backends, installed or not: those of this package, then those of plug-ins."""
    return [*_BACKENDS, *(name for name in plugin_names() if name not in _BACKENDS)]


def get_backend(name: str, **settings: int) -> Backend:
    """Return a backend by name.

    Parameters
    ----------
    name : str
        One of `available_backends`.
    **settings
        Settings of that machine, such as the ``lanes`` and ``workers`` of Lava.

    Returns
    -------
    Backend
        Not yet started.

    Raises
    ------
    ConfigurationError
        If there is no backend of that name, or several, or it has no such setting.
    BackendError
        If the backend is a plug-in that cannot be loaded.
    """
    if name not in available_backends():
        raise ConfigurationError(f"unknown backend {name!r}; known are {', '.join(available_backends())}")
    if name not in _BACKENDS:
        plugin: Backend = load_plugin(name, Backend)
        _require_settings(name, type(plugin), settings)
        return type(plugin)(**settings) if settings else plugin
    if intruders := plugins_named(name):
        claims = ", ".join(origin_of(point) for point in intruders)
        raise ConfigurationError(f"backend {name!r} is ff2neuro's own and also claimed by {claims}; uninstall that")
    module, attribute = _BACKENDS[name]
    kind = getattr(import_module(module), attribute)
    _require_settings(name, kind, settings)
    backend: Backend = kind(**settings)
    return backend


def _require_settings(name: str, kind: Callable[..., object], settings: Mapping[str, int]) -> None:
    """Refuse settings that a machine does not have, rather than ignore them."""
    for setting in sorted(set(settings) - set(signature(kind).parameters)):
        raise ConfigurationError(f"backend {name!r} has no setting {setting!r}; leave --{setting} out")
