"""The verdict as a value: figures, checks, and whether they all hold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ff2neuro.analysis.statistics import Interval
from ff2neuro.validation.goodness import MarginHistogram
from ff2neuro.validation.layers import LayerFigures
from ff2neuro.validation.spikes import SpikeComparison
from ff2neuro.validation.sweep_figures import Sweep
from ff2neuro.validation.thresholds import Thresholds

__all__ = ["FORMAT", "FORMAT_VERSION", "BackendFigures", "Check", "ClassifierFigures", "Verdict"]

FORMAT = "ff2neuro-verdict"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Check:
    """One figure held against one threshold.

    Attributes
    ----------
    figure : str
        Name of the figure, with the layer it belongs to.
    value : float, int or None
        What was found; None if it could not be computed, which fails.
    relation : {"<=", ">="}
        How the figure must stand to the limit.
    limit : float
        The threshold.
    """

    figure: str
    value: float | None
    relation: Literal["<=", ">="]
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the figure holds."""
        if self.value is None:
            return False
        return self.value <= self.limit if self.relation == "<=" else self.value >= self.limit

    def __str__(self) -> str:
        if self.value is None:
            value = "not computed"
        else:
            value = str(self.value) if isinstance(self.value, int) else f"{self.value:.4f}"
        return f"{self.figure} is {value}, must be {self.relation} {self.limit:g}"

    def to_json(self) -> dict[str, Any]:
        """Return the check by name."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True)
class ClassifierFigures:
    """How one of the two networks classifies.

    Attributes
    ----------
    accuracy : float
        Share of images put into the right class, between 0 and 1.
    n_correct : int
        Their number.
    accuracy_interval : tuple of float, or None
        Wilson's interval at 95 %.
    n_ties : int
        Images on which several classes reach the highest score; the lowest of them was taken.
    margin_quartiles : tuple of float, or None
        Quartiles of the score of the true class minus the highest of the others.
    """

    accuracy: float
    n_correct: int
    accuracy_interval: Interval | None
    n_ties: int
    margin_quartiles: tuple[float, float, float] | None


@dataclass(frozen=True)
class BackendFigures:
    """The machine, as the recording names it."""

    name: str
    version: str
    arithmetic: str


@dataclass(frozen=True)
class Verdict:
    """Whether the spiking network still does what the analog one did, and the evidence.

    Attributes
    ----------
    analog, spiking : ClassifierFigures
        Accuracy of the two networks on the same images.
    n_samples : int
        Number of images.
    accuracy_drop_pp : float
        Analog minus spiking accuracy in percentage points; negative if the spiking network is better.
    accuracy_drop_interval_pp : tuple of float, or None
        Its bootstrap interval at 95 %.
    mcnemar_p_value : float or None
        Of the hypothesis that both are equally often right.
    prediction_agreement : float
        Share of images that both put into the same class.
    score_rank_correlation : float or None
        Mean over images of the Spearman correlation between both networks' scores of the classes.
    margins : MarginHistogram or None
        Distribution of the score of the true class minus the highest of the others, for both networks.
    classes : tuple of mapping
        For every class its number of images and the accuracy of both networks.
    layers : tuple of LayerFigures
        Agreement of the latents, first layer to last.
    disagreements : tuple of mapping
        The images that the two put into different classes (no more than the first hundred), with the layer that
        first votes for different ones.
    n_disagreements : int
        Number of such images.
    faults : tuple of str
        What is wrong, with its place: what no rounding of a sound conversion or machine explains.
    findings : tuple of str
        The faults, and what else was seen that a reader must know, such as neurons that fell silent.
    replay : SpikeComparison
        The first images simulated anew, compared with the recording: the simulation first, the machine second.
    backend : BackendFigures
        Where the spikes come from.
    n_time_steps : int
        Length of a presentation.
    max_spikes_per_step : int
        How many spikes a neuron could send in one step.
    synops_per_sample : float
        Synaptic operations that an image costs over all its label hypotheses.
    thresholds : Thresholds
        The gate.
    checks : tuple of Check
        The gate applied.
    sweeps : tuple of Sweep
        What varying one thing at a time does.
    model_kind : {"analog", "spiking"}
        What was trained. Of a network that learned in spiking neurons, the figures called analog are those of its own
        float execution on the same input events.
    """

    analog: ClassifierFigures
    spiking: ClassifierFigures
    n_samples: int
    accuracy_drop_pp: float
    accuracy_drop_interval_pp: Interval | None
    mcnemar_p_value: float | None
    prediction_agreement: float
    score_rank_correlation: float | None
    margins: MarginHistogram | None
    classes: tuple[Mapping[str, Any], ...]
    layers: tuple[LayerFigures, ...]
    disagreements: tuple[Mapping[str, Any], ...]
    n_disagreements: int
    faults: tuple[str, ...]
    findings: tuple[str, ...]
    replay: SpikeComparison
    backend: BackendFigures
    n_time_steps: int
    max_spikes_per_step: int
    synops_per_sample: float
    thresholds: Thresholds
    checks: tuple[Check, ...]
    sweeps: tuple[Sweep, ...] = ()
    model_kind: Literal["analog", "spiking"] = "analog"

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def headline(self) -> str:
        """The outcome, and where it comes from, in one line."""
        steps = f"{self.n_time_steps} time step{'s' if self.n_time_steps > 1 else ''}"
        if self.max_spikes_per_step > 1:
            steps += f", up to {self.max_spikes_per_step} spikes in each"
        return (
            f"{'PASSED' if self.passed else 'FAILED'}: {self.n_samples} images on {self.backend.name} "
            f"{self.backend.version} ({self.backend.arithmetic} arithmetic, {steps})"
        )

    @property
    def model_name(self) -> str:
        """What texts call the trained network: "analog", or "float" for a float execution."""
        return "analog" if self.model_kind == "analog" else "float"

    @property
    def failed_checks(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    def to_json(self) -> dict[str, Any]:
        """Return a document of plain numbers, strings, lists and None, as ``verdict.schema.json`` describes it."""
        document = {"format": FORMAT, "format_version": FORMAT_VERSION, "passed": self.passed}
        document |= {key: plain(value) for key, value in asdict(self).items()}
        document["checks"] = [check.to_json() for check in self.checks]
        document["replay"] = plain(self.replay.to_json())
        return document


def plain(value: Any) -> Any:
    """Turn tuples into lists, all the way down."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def gate(
    thresholds: Thresholds,
    accuracy_drop_pp: float,
    prediction_agreement: float,
    layers: tuple[LayerFigures, ...],
    replay: SpikeComparison,
    n_faults: int,
) -> tuple[Check, ...]:
    """Hold figures against thresholds.

    Parameters
    ----------
    thresholds : Thresholds
        The limits; None switches a check off.
    accuracy_drop_pp, prediction_agreement : float
        As in `Verdict`.
    layers : tuple of LayerFigures
        As in `Verdict`.
    replay : SpikeComparison
        As in `Verdict`.
    n_faults : int
        Number of faults.

    Returns
    -------
    tuple of Check
        One per threshold, or per threshold and layer.
    """
    checks = []
    if thresholds.max_faults is not None:
        checks.append(Check("faults", n_faults, "<=", thresholds.max_faults))
    if thresholds.max_accuracy_drop_pp is not None:
        checks.append(Check("accuracy_drop_pp", accuracy_drop_pp, "<=", thresholds.max_accuracy_drop_pp))
    if thresholds.min_prediction_agreement is not None:
        limit = thresholds.min_prediction_agreement
        checks.append(Check("prediction_agreement", prediction_agreement, ">=", limit))
    if thresholds.max_replay_mismatch is not None:
        mismatch = replay.n_differing / replay.n_compared if replay.n_compared else None
        checks.append(Check("replay_mismatch", mismatch, "<=", thresholds.max_replay_mismatch))
    for layer in layers:
        if thresholds.min_latent_agreement is not None:
            checks.append(Check(f"{layer.name}.cosine", layer.cosine, ">=", thresholds.min_latent_agreement))
        if thresholds.min_cka is not None:
            checks.append(Check(f"{layer.name}.cka", layer.cka, ">=", thresholds.min_cka))
    return tuple(checks)
