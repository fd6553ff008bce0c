"""What a run must know of a network beside its graph."""

from typing import Any

from ff2neuro.coding import needed_kind
from ff2neuro.converters.nir_graph import initial_potentials
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.networks import SpikingNetwork

__all__ = ["run_config"]


def run_config(network: SpikingNetwork | None, **rest: Any) -> RunConfig:
    """Return what a run must know of a network and NIR cannot say.

    Parameters
    ----------
    network : SpikingNetwork or None
        What the graph was made from; None for the graph of another program, which is all that there is to know.
    **rest
        Other fields of `RunConfig`, or other values of those that follow from the network; None for what follows. What
        is recorded is by default what the network is read out by.

    Returns
    -------
    RunConfig
        For `Backend.run`.

    Raises
    ------
    ConfigurationError
        As `RunConfig`.
    """
    given = {name: value for name, value in rest.items() if value is not None}
    if network is None:
        return RunConfig(**given)
    known = {
        "dt": network.dt,
        "reset": network.reset,
        "record": needed_kind(network),
        "v_init": initial_potentials(network),
        "max_spikes_per_step": network.max_spikes_per_step,
    }
    return RunConfig(**{**known, **given})
