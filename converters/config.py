"""What can be chosen in a conversion."""

from dataclasses import dataclass
from typing import Literal, get_args

from ff2neuro.converters.quantisation import WeightScale, largest_code
from ff2neuro.dynamics import DECAY_UNITY, Reset
from ff2neuro.errors import ConfigurationError
from ff2neuro.networks import InputCoding
from ff2neuro.networks.activity_table import MOST_STEPS
from ff2neuro.spike_numbers import require_spikes_per_step

__all__ = ["ConversionConfig", "Neuron", "Readout"]

Neuron = Literal["if", "lif"]
Readout = Literal["counts", "times"]

#: Time constant of a leaky membrane, in presentations, unless a leak is given: after one presentation 22 % of its first
#: step's charge are forgotten.
PRESENTATIONS_PER_TIME_CONSTANT = 4
#: Where membranes start unless told otherwise, as a fraction of the threshold.
DEFAULT_START: dict[Reset, float] = {"zero": 0.0, "subtract": 0.5}


@dataclass(frozen=True)
class ConversionConfig:
    """Choices of a conversion.

    Attributes
    ----------
    n_time_steps : int
        Number of time steps T of a presentation.
    weight_bits : int or None
        Width of an integer weight, sign included; None keeps real weights, which fixed-point machines refuse.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    input_coding : {"constant", "regular", "bernoulli"}
        How images become events.
    input_bits : int
        Width of a graded input under constant coding: integers 0 .. 2^bits - 1.
    dt : float
        Length of a time step [s].
    seed : int
        Seed of Bernoulli coding.
    neuron : {"if", "lif"}
        Whether membranes keep their charge or leak.
    leak : int or None
        Numerator n of the leak n/4096 per step of a "lif"; None for a time constant of four presentations.
    weight_scale : {"layer", "neuron"}
        Whether all weights of a layer share one quantisation step, or each neuron has its own, and with it a
        threshold of its own, which only the native dialect can say.
    initial_potential : float or None
        Membrane potential at the start of a presentation, as a fraction of the threshold, 0 to 1. Half a threshold
        makes counts round to nearest instead of down; NIR can say only 0. None for 1/2 with reset by subtraction,
        which NIR cannot say either, and 0 with reset to zero.
    readout : {"counts", "times"}
        What spikes are read by: their number alone, or the time of the last one as well (`ActivityTable`). The graph
        is the same; a machine has to record the spikes of every step.
    max_spikes_per_step : int
        How many spikes a neuron can send in one step, 1 to 255; more than 1 take reset by subtraction and a readout by
        counts, and only the native dialect can say it.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    n_time_steps: int = 32
    weight_bits: int | None = 8
    reset: Reset = "zero"
    input_coding: InputCoding = "constant"
    input_bits: int = 4
    dt: float = 1e-4
    seed: int = 1
    neuron: Neuron = "if"
    leak: int | None = None
    weight_scale: WeightScale = "layer"
    initial_potential: float | None = None
    readout: Readout = "counts"
    max_spikes_per_step: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.n_time_steps <= 65535:
            raise ConfigurationError(f"the number of time steps is {self.n_time_steps}; it must lie in 1..65535")
        if self.weight_bits is not None:
            largest_code(self.weight_bits)
        if not 1 <= self.input_bits <= 8:
            raise ConfigurationError(f"input bits are {self.input_bits}; graded input holds 1 to 8")
        if not 0 < self.dt < float("inf"):
            raise ConfigurationError(f"dt is {self.dt} s; it must be positive and finite")
        if self.initial_potential is not None and not 0 <= self.initial_potential <= 1:
            raise ConfigurationError(
                f"the initial potential is {self.initial_potential} of the threshold; it must lie in 0..1"
            )
        self._check_names()
        self._check_leak()
        require_spikes_per_step(self.max_spikes_per_step, self.reset, self.n_time_steps)
        if self.max_spikes_per_step > 1 and self.readout != "counts":
            raise ConfigurationError(
                f"neurons are to send up to {self.max_spikes_per_step} spikes in a step, whose times say no more than "
                "their number: use --readout counts"
            )
        if self.readout == "times" and self.n_time_steps > MOST_STEPS:
            raise ConfigurationError(
                f"the number of time steps is {self.n_time_steps}; a readout by the times of spikes goes up to "
                f"{MOST_STEPS}: with so many steps, counts tell as much"
            )

    def _check_names(self) -> None:
        for what, value, known in (
            ("reset", self.reset, get_args(Reset)),
            ("input coding", self.input_coding, get_args(InputCoding)),
            ("neuron", self.neuron, get_args(Neuron)),
            ("weight scale", self.weight_scale, get_args(WeightScale)),
            ("readout", self.readout, get_args(Readout)),
        ):
            if value not in known:
                raise ConfigurationError(f"unknown {what} {value!r}; known are {', '.join(known)}")

    def _check_leak(self) -> None:
        if self.leak is None:
            return
        if self.neuron == "if":
            raise ConfigurationError(f"an integrate-and-fire neuron has no leak, but {self.leak} is given; use lif")
        if not 1 <= self.leak < DECAY_UNITY:
            raise ConfigurationError(f"the leak is {self.leak}/{DECAY_UNITY}; its numerator must lie in 1..4095")

    @property
    def mem_leak(self) -> int:
        """Numerator n of the leak n/4096 per step; 0 for an integrate-and-fire neuron."""
        if self.neuron == "if":
            return 0
        default = round(DECAY_UNITY / (PRESENTATIONS_PER_TIME_CONSTANT * self.n_time_steps))
        return self.leak or max(1, default)

    @property
    def start(self) -> float:
        """Membrane potential at the start of a presentation, as a fraction of the threshold."""
        if self.initial_potential is not None:
            return self.initial_potential
        return DEFAULT_START[self.reset]
