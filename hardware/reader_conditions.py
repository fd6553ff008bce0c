"""What rules about NIR readers ask of a node: where it stands, and what its parameters are.

A condition takes a `Place` and returns whether it holds there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from ff2neuro.hardware.chain import ChainLayer

__all__ = [
    "Place",
    "always",
    "changes_shape",
    "followed",
    "grouped",
    "groups_do_not_divide",
    "integer_weights",
    "keeps_shape",
    "leak_is_not_reset",
    "leaves_axes_behind_batch",
    "leaves_axes_without_batch",
    "meets_threshold",
    "other_dt",
    "other_than",
    "padded",
    "padded_before_weights",
    "r_for_other_dt",
    "r_is_not",
    "tau_at_most_dt",
    "tau_below_dt",
    "uneven",
    "uneven_gain",
    "w_in_is_not_per_step",
]

Shape = tuple[int, ...]

#: Time step that snnTorch's reader assumes [s].
SNNTORCH_DT = 1e-4
#: Bits below the point up to which weights are looked for on a grid.
GRID_BITS = 20


@dataclass(frozen=True, eq=False)
class Place:
    """A node where it stands in its chain.

    Attributes
    ----------
    name : str
        Its name.
    node : nir.NIRNode
        The node.
    shape_in, shape_out : tuple of int
        Shapes of what it receives and sends.
    layer : ChainLayer or None
        What it becomes, if it is one of neurons.
    later : tuple of str
        Types of the nodes behind it.
    dt : float
        Length of a time step [s].
    """

    name: str
    node: Any
    shape_in: Shape
    shape_out: Shape
    layer: ChainLayer | None
    later: tuple[str, ...]
    dt: float


def always(_place: Place) -> bool:
    """Hold everywhere."""
    return True


def other_than(field: str, value: float) -> Callable[[Place], bool]:
    """Make a condition: a parameter is anywhere other than a value."""
    return lambda place: bool(np.any(np.asarray(getattr(place.node, field)) != value))


def uneven(*fields: str) -> Callable[[Place], bool]:
    """Make a condition: one of these parameters differs between neurons."""
    return lambda place: any(np.unique(getattr(place.node, field)).size > 1 for field in fields)


def followed(place: Place) -> bool:
    """Whether other nodes stand behind."""
    return bool(place.later)


def changes_shape(place: Place) -> bool:
    """Whether what the node sends has another shape than what it receives."""
    return place.shape_in != place.shape_out


def keeps_shape(place: Place) -> bool:
    """Whether what the node sends has the shape of what it receives."""
    return place.shape_in == place.shape_out


def padded(place: Place) -> bool:
    """Whether a pool has padding."""
    return bool(np.any(place.node.padding))


def padded_before_weights(place: Place) -> bool:
    """Whether a pool has padding and a weight matrix stands behind it, which needs the right size."""
    return padded(place) and any(kind in ("Linear", "Affine") for kind in place.later)


def grouped(place: Place) -> bool:
    """Whether a convolution has groups."""
    return int(np.ravel(place.node.groups)[0]) != 1


def groups_do_not_divide(place: Place) -> bool:
    """Whether the channels of one group, taken for those of the input, cannot be divided into the groups."""
    return int(place.node.weight.shape[1]) % int(np.ravel(place.node.groups)[0]) != 0


def integer_weights(place: Place) -> bool:
    """Whether weights are stored as integers."""
    return np.asarray(place.node.weight).dtype.kind in "iu"


def leaves_axes_behind_batch(place: Place) -> bool:
    """Whether torch.nn.Flatten, with a batch axis in front, makes something else than flat arrays."""
    return int(place.node.start_dim) != 1 or int(place.node.end_dim) not in (-1, len(place.shape_in))


def leaves_axes_without_batch(place: Place) -> bool:
    """Whether a Flatten whose axes are counted from the first behind the batch leaves an axis standing."""
    whole = int(place.node.start_dim) == 0 or (len(place.shape_in) > 1 and place.shape_in[0] == 1)
    return not whole or int(place.node.end_dim) not in (-1, len(place.shape_in) - 1)


def other_dt(place: Place) -> bool:
    """Whether the time step is not the one that snnTorch assumes."""
    return place.dt != SNNTORCH_DT


def r_for_other_dt(place: Place) -> bool:
    """Whether r is not what makes a gain of 1 per step of the length that snnTorch assumes."""
    return not np.allclose(place.node.r, place.node.tau_mem / SNNTORCH_DT)


def uneven_gain(place: Place) -> bool:
    """Whether neurons differ in what snnTorch divides the threshold by."""
    node = place.node
    per_tau = node.r / node.tau if isinstance(node, nir.LIF) else node.w_in / node.tau_syn
    gain = np.asarray(per_tau, float) * SNNTORCH_DT
    return not np.allclose(gain, 1) and np.unique(gain).size > 1


def r_is_not(*, one: bool = False, per_step: bool = False) -> Callable[[Place], bool]:
    """Make a condition: r is neither 1 (if that is allowed) nor makes a gain of 1 per step (if that is)."""

    def applies(place: Place) -> bool:
        tau = getattr(place.node, "tau", getattr(place.node, "tau_mem", 1.0))
        allowed = ([1.0] if one else []) + ([np.asarray(tau, float) / place.dt] if per_step else [])
        return not any(_near(place.node.r, value) for value in allowed)

    return applies


def w_in_is_not_per_step(place: Place) -> bool:
    """Whether w_in makes another gain than 1 per step."""
    return not _near(place.node.w_in, np.asarray(place.node.tau_syn, float) / place.dt)


def tau_at_most_dt(place: Place) -> bool:
    """Whether a membrane forgets within a step."""
    return bool(np.min(np.asarray(place.node.tau, float)) / place.dt <= 1)


def tau_below_dt(place: Place) -> bool:
    """Whether a time constant is below the time step, by however little."""
    return any(float(np.min(tau)) < place.dt for tau in (place.node.tau_syn, place.node.tau_mem))


def leak_is_not_reset(place: Place) -> bool:
    """Whether the membrane leaks to another potential than it is reset to."""
    return not _near(place.node.v_leak, place.node.v_reset)


def meets_threshold(place: Place) -> bool:
    """Whether sums of whole inputs can meet the threshold exactly: all lie on one grid of powers of two."""
    layer = place.layer
    if layer is None or not _near(layer.neurons.mem_gain * layer.neurons.syn_gain, 1.0):
        return False
    for bits in range(GRID_BITS + 1):
        weight, bias, threshold = (
            values * 2.0**bits for values in (layer.weight, layer.bias, layer.neurons.v_threshold)
        )
        if all(np.array_equal(values, np.round(values)) for values in (weight, bias)):
            return bool((threshold == np.round(threshold)).any())
    return False


def _near(value: Any, expected: Any) -> bool:
    """Compare as SpikingJelly does."""
    return bool(np.allclose(np.asarray(value, float), expected, rtol=1e-6, atol=1e-12))
