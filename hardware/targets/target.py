"""What a machine's description says, and where it is read from."""

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from ff2neuro.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Core", "EnergyModel", "LatencyModel", "Placement", "Target", "available_targets", "load_target"]

Placement = Literal["split", "whole", "joint"]


@dataclass(frozen=True)
class Core:
    """Cores of one kind; None where no figure is public.

    Attributes
    ----------
    count : int
        Number of such cores on a chip.
    neurons : int or None
        Neurons that a core holds.
    synapse_bits : int or None
        Memory for weights [bit].
    synapses : int or None
        Synapses that a core holds, whatever their weight.
    in_axons : int or None
        Sources from which a core can receive.
    out_axons : int or None
        Destinations to which a core can send: pairs of one of its neurons and a core.
    """

    count: int
    neurons: int | None = None
    synapse_bits: int | None = None
    synapses: int | None = None
    in_axons: int | None = None
    out_axons: int | None = None


@dataclass(frozen=True)
class EnergyModel:
    """What operations cost, as one source has it.

    Attributes
    ----------
    name, source : str
        Short name, and where the figures stand.
    synop, update : float
        Energy of one synaptic operation, and of advancing one neuron by one time step [J].
    spike : float
        Energy of sending one spike beyond that [J]; 0 where the source has none.
    """

    name: str
    source: str
    synop: float
    update: float
    spike: float = 0.0


@dataclass(frozen=True)
class LatencyModel:
    """How long operations take on one core, as one source has it.

    Attributes
    ----------
    name, source : str
        Short name, and where the figures stand.
    synop, update, spike : float
        Time of one synaptic operation, of advancing one neuron, and of sending one spike [s].
    step : float
        Time that all cores wait for each other at every time step [s].
    """

    name: str
    source: str
    synop: float
    update: float
    spike: float
    step: float


@dataclass(frozen=True)
class Target:
    """A machine; None where it has no such limit or no figure is public.

    Attributes
    ----------
    name, title : str
        Name on the command line, and in full.
    placement : {"split", "whole", "joint"}
        Whether a layer may be spread over cores, must fit one core of its own, or shares one core with all others.
    cores : tuple of Core
        The kinds of cores of one chip.
    weight_bits : int or None
        Width of a signed weight.
    weights_per_neuron : int or None
        How many different weights other than 0 one neuron may have.
    fan_in : int or None
        Sources of one neuron.
    fan_out : int or None
        Neurons to which one neuron may send.
    fan_out_cores : int or None
        Cores to which one neuron may send.
    layer_neurons : int or None
        Neurons of one layer.
    input_channels, output_neurons : int or None
        Input channels of the machine, and neurons of its last layer.
    synapses_per_chip : int or None
        Synapses of a chip.
    spikes_per_step : int or None
        Spikes that a neuron can send in one step, or what the value of one can be.
    notes : tuple of str
        What the figures leave out.
    sources : mapping of str to str
        Where each figure stands, by its name.
    energy, latency : tuple
        Published costs; empty where there are none.
    """

    name: str
    title: str
    placement: Placement
    cores: tuple[Core, ...]
    weight_bits: int | None = None
    weights_per_neuron: int | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    fan_out_cores: int | None = None
    layer_neurons: int | None = None
    input_channels: int | None = None
    output_neurons: int | None = None
    synapses_per_chip: int | None = None
    spikes_per_step: int | None = None
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    energy: tuple[EnergyModel, ...] = ()
    latency: tuple[LatencyModel, ...] = ()

    @property
    def cores_per_chip(self) -> int:
        """Number of cores of one chip."""
        return sum(core.count for core in self.cores)


def available_targets() -> list[str]:
    """Return the names of all machines that are described, in alphabetical order."""
    return sorted(path.name.removesuffix(".toml") for path in files(__package__).iterdir() if ".toml" in path.name)


def load_target(name: str) -> Target:
    """Return the description of a machine.

    Parameters
    ----------
    name : str
        One of `available_targets`.

    Returns
    -------
    Target
        The machine.

    Raises
    ------
    ConfigurationError
        If there is no description of that name; the message says which is nearest.
    """
    names = available_targets()
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigurationError(f"unknown target {name!r}; {hint}Known are {', '.join(names)}")
    return _parse(name, tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8")))


def _parse(name: str, data: dict[str, Any]) -> Target:
    return Target(
        name=name,
        title=data["title"],
        placement=data["placement"],
        cores=tuple(Core(**core) for core in data["cores"]),
        notes=tuple(data.get("notes", ())),
        sources=data["sources"],
        energy=tuple(EnergyModel(**model) for model in data.get("energy", ())),
        latency=tuple(LatencyModel(**model) for model in data.get("latency", ())),
        **data.get("limits", {}),
    )
