"""The verdict for people: what it is first, then what failed, then the figures."""

from ff2neuro.validation.layers import LayerFigures
from ff2neuro.validation.sweep_figures import Sweep
from ff2neuro.validation.verdict import Verdict

__all__ = ["render_text"]

#: Columns of the table of layers: heading, and the figures of the two sides or the one figure.
_COLUMNS = (
    ("cosine", "cosine"),
    ("shuffled", "cosine_shuffled"),
    ("CKA", "cka"),
    ("Pearson", "pearson"),
    ("RSA", "rsa"),
)
_PAIRS = (("Hoyer", "hoyer"), ("separability", "separability"))


def render_text(verdict: Verdict) -> str:
    """Return a verdict as text.

    Parameters
    ----------
    verdict : Verdict
        What to say.

    Returns
    -------
    str
        Several lines, the verdict on the first.
    """
    lines = [verdict.headline]
    lines += [f"  failed: {check}" for check in verdict.failed_checks]
    lines += [f"  {'fault' if finding in verdict.faults else 'note'}: {finding}" for finding in verdict.findings]
    lines += ["", *_accuracy(verdict), "", *_layers(verdict)]
    for sweep in verdict.sweeps:
        lines += ["", *_sweep(sweep)]
    return "\n".join(lines)


def _accuracy(verdict: Verdict) -> list[str]:
    lines = []
    for name, side in ((verdict.model_name, verdict.analog), ("spiking", verdict.spiking)):
        interval = side.accuracy_interval
        bounds = "" if interval is None else f"   95 % interval {100 * interval[0]:.2f} .. {100 * interval[1]:.2f} %"
        ties = f"   {side.n_ties} ties" if side.n_ties else ""
        lines.append(f"{name:<8} accuracy {100 * side.accuracy:6.2f} %{bounds}{ties}")
    drop = f"accuracy drop     {verdict.accuracy_drop_pp:6.2f} points"
    if verdict.accuracy_drop_interval_pp is not None:
        low, high = verdict.accuracy_drop_interval_pp
        drop += f"   95 % interval {low:.2f} .. {high:.2f}"
    if verdict.mcnemar_p_value is not None:
        drop += f"   McNemar p = {verdict.mcnemar_p_value:.3g}"
    return [
        *lines,
        drop,
        f"same prediction   {100 * verdict.prediction_agreement:6.2f} %"
        f"   {verdict.n_disagreements} images classified differently",
        f"synaptic operations per image {verdict.synops_per_sample:,.0f}",
    ]


def _layers(verdict: Verdict) -> list[str]:
    width = max([len("layer"), *(len(layer.name) for layer in verdict.layers)])
    heading = f"{'layer':<{width}}  " + "  ".join(f"{name:>8}" for name, _ in _COLUMNS)
    heading += "".join(f"  {f'{name} {verdict.model_name}/spiking':>27}" for name, _ in _PAIRS)
    return [heading, *(_row(layer, width) for layer in verdict.layers)]


def _row(layer: LayerFigures, width: int) -> str:
    row = f"{layer.name:<{width}}  " + "  ".join(f"{_number(getattr(layer, key)):>8}" for _, key in _COLUMNS)
    for _, key in _PAIRS:
        pair = f"{_number(getattr(layer, f'{key}_analog'))} / {_number(getattr(layer, f'{key}_spiking'))}"
        row += f"  {pair:>27}"
    return row


def _sweep(sweep: Sweep) -> list[str]:
    lines = [f"{sweep.parameter:<14}  accuracy    drop  agreement  cosine per layer   ({sweep.n_samples} images)"]
    for point in sweep.points:
        if point.accuracy is None or point.accuracy_drop_pp is None or point.prediction_agreement is None:
            lines.append(f"{point.value!s:<14}  not computed: {point.error}")
            continue
        cosines = " ".join(_number(cosine) for cosine in point.cosines)
        lines.append(
            f"{point.value!s:<14}  {100 * point.accuracy:6.2f} %  {point.accuracy_drop_pp:6.2f}   "
            f"{100 * point.prediction_agreement:6.2f} %  {cosines}"
        )
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
