"""What ``ff2neuro inspect --target`` says: where a network goes on a machine, and what it would cost there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ff2neuro.cli.options import answer
from ff2neuro.errors import ConfigurationError

if TYPE_CHECKING:
    from ff2neuro.hardware.chain import Chain
    from ff2neuro.hardware.energy import Activity
    from ff2neuro.hardware.mapping import LayerMapping, Mapping

__all__ = ["deploy", "deployment", "deployment_text"]

RESOURCES = ("neurons", "synapse_bits", "synapses", "in_axons", "out_axons")


def deploy(source: Path, dt: float | None, target: str | None, recording: Path | None, *, as_json: bool) -> None:
    """Print where a NIR file goes on a machine and, with a recording, what it would cost there.

    Parameters
    ----------
    source : Path
        A NIR file.
    dt : float or None
        Length of a time step [s]; by default the file's, or else 1e-4.
    target : str or None
        Name of the machine.
    recording : Path or None
        A recording of the network.
    as_json : bool
        Whether to print for machines.

    Raises
    ------
    ConfigurationError
        If no machine is named, or what is named cannot be placed or counted.
    FileFormatError
        If a file cannot be read.
    GraphError
        If the graph is not supported, or the recording is one of another.
    """
    from ff2neuro.converters.nir_file import read_nir
    from ff2neuro.hardware.beyond_nir import configured_chain
    from ff2neuro.hardware.targets import available_targets
    from ff2neuro.validation.run_config import run_config

    if target is None:
        raise ConfigurationError(f"--recording needs a --target to reckon with: {', '.join(available_targets())}")
    if source.is_dir():
        raise ConfigurationError(
            f"--target places NIR files; {source} is a run: export it with ff2neuro export {source}"
        )
    content = read_nir(source)
    chain = configured_chain(content.graph, run_config(content.network, dt=dt))
    document = {"kind": "deployment", "file": str(source)} | deployment(chain, target, recording)
    answer(document, deployment_text(document), as_json=as_json)


def deployment(chain: "Chain", target_name: str, recording_file: Path | None) -> dict[str, Any]:
    """Place a network on a machine and, with a recording, estimate what it would cost.

    Parameters
    ----------
    chain : Chain
        The network.
    target_name : str
        Name of the machine.
    recording_file : Path or None
        A recording of the network.

    Returns
    -------
    dict
        For ``--json``; `deployment_text` writes it out.

    Raises
    ------
    ConfigurationError
        If there is no such machine, or the recording lacks what is needed.
    GraphError
        If the recording is one of another network.
    FileFormatError
        If the recording cannot be read.
    """
    from ff2neuro.hardware.energy import count_activity
    from ff2neuro.hardware.mapping import map_chain
    from ff2neuro.hardware.targets import load_target
    from ff2neuro.recording import Recording

    target = load_target(target_name)
    activity = None
    if recording_file is not None:
        with Recording.open(recording_file) as recording:
            activity = count_activity(chain, recording)
    mapping = map_chain(chain, target)
    document = {
        "target": target.name,
        "title": target.title,
        "fits": mapping.fits,
        "n_cores": mapping.n_cores,
        "cores_per_chip": target.cores_per_chip,
        "n_chips": mapping.n_chips,
        "layers": [_layer(layer) for layer in mapping.layers],
        "problems": list(mapping.problems),
        "advice": list(mapping.advice),
        "notes": list(target.notes),
        "sources": dict(target.sources),
    }
    return document if activity is None else document | {"estimate": _estimate(chain, activity, mapping)}


def _layer(layer: "LayerMapping") -> dict[str, Any]:
    return {
        "name": layer.name,
        "n_neurons": layer.n_neurons,
        "n_synapses": layer.n_synapses,
        "weight_bits": layer.weight_bits,
        "n_cores": len(layer.blocks),
        "neurons_per_core": [block.neurons for block in layer.blocks],
        "bottleneck": layer.bottleneck,
        "utilisation": {resource: layer.utilisation(resource) for resource in RESOURCES},
    }


def _estimate(chain: "Chain", activity: "Activity", mapping: "Mapping") -> dict[str, Any]:
    from ff2neuro.hardware.energy import PROCESSORS, Estimate, analog_macs, estimate_energy, estimate_latency

    macs = analog_macs(chain)
    passes = activity.n_hypotheses
    analog = [Estimate(unit.name, unit.source, macs * unit.mac, macs * unit.mac * passes) for unit in PROCESSORS]
    return {
        "n_images": activity.n_images,
        "n_passes": passes,
        "n_time_steps": activity.n_time_steps,
        "input_events_per_pass": activity.input_events,
        "synops_per_pass": activity.synops,
        "updates_per_pass": activity.updates,
        "spikes_per_pass": activity.spikes,
        "energy_J": [vars(estimate) for estimate in estimate_energy(activity, mapping.target)],
        "latency_s": [vars(estimate) for estimate in estimate_latency(activity, mapping)],
        "analog_macs_per_pass": macs,
        "analog_energy_J": [vars(estimate) for estimate in analog],
    }


def deployment_text(document: dict[str, Any]) -> str:
    """Write out what `deployment` found.

    Parameters
    ----------
    document : dict
        As `deployment` returns it.

    Returns
    -------
    str
        Lines for a terminal.
    """
    verdict = "fits" if document["fits"] else "does NOT fit"
    lines = [
        f"{document['title']}: {verdict}; {document['n_cores']} of {document['cores_per_chip']} cores, "
        f"{document['n_chips']} chip{'s' if document['n_chips'] > 1 else ''}"
    ]
    lines += [_layer_text(layer) for layer in document["layers"]]
    for heading, entries in (("problem", document["problems"]), ("advice", document["advice"])):
        lines += [f"  {heading}: {entry}" for entry in entries]
    lines += [f"  note: {note}" for note in document["notes"]]
    lines += [f"  source of {name}: {source}" for name, source in document["sources"].items()]
    if "estimate" in document:
        lines += _estimate_text(document["estimate"], document["title"])
    return "\n".join(lines)


def _layer_text(layer: dict[str, Any]) -> str:
    shares = [
        f"{resource.replace('_', ' ')} {share:.1%}"
        for resource, share in layer["utilisation"].items()
        if share is not None
    ]
    cores = f"{layer['n_cores']} core{'s' if layer['n_cores'] > 1 else ''}"
    width = f"{layer['weight_bits']}-bit" if layer["weight_bits"] else "real"
    return (
        f"  {layer['name']}: {layer['n_neurons']} neurons, {layer['n_synapses']} {width} weights on {cores} "
        f"of up to {max(layer['neurons_per_core'])} neurons; fullest core: {', '.join(shares) or 'no public figure'}"
    )


def _estimate_text(estimate: dict[str, Any], title: str) -> list[str]:
    lines = [
        f"Estimate, not a measurement, from {estimate['n_images']} images x {estimate['n_passes']} label passes:",
        f"  one pass: {estimate['input_events_per_pass']:.0f} input events, {estimate['synops_per_pass']:.0f} synaptic "
        f"operations, {estimate['updates_per_pass']} neuron updates, {estimate['spikes_per_pass']:.0f} spikes",
    ]
    lines.append("  an input event counts once whatever its value; energy at rest and of moving input is left out")
    lines += _range_text("energy", "J", estimate["energy_J"], title)
    lines += _range_text("latency", "s", estimate["latency_s"], title)
    lines.append(f"  analog network: {estimate['analog_macs_per_pass']} multiply-accumulates a pass")
    lines += _costs(estimate["analog_energy_J"], "J")
    return lines


def _range_text(what: str, unit: str, costs: Sequence[dict[str, Any]], title: str) -> list[str]:
    if not costs:
        return [f"  {what}: not estimated, since no published constants are known here for {title}"]
    low, high = (pick(cost["per_inference"] for cost in costs) for pick in (min, max))
    spread = (
        f"{_quantity(low, unit)} to {_quantity(high, unit)} by {len(costs)} sources"
        if len(costs) > 1
        else f"{_quantity(low, unit)} by one source, whose error is not known"
    )
    return [f"  {what} of an inference: {spread}", *_costs(costs, unit)]


def _costs(costs: Sequence[dict[str, Any]], unit: str) -> list[str]:
    return [
        f"    {cost['name']}: {_quantity(cost['per_pass'], unit)} a pass, "
        f"{_quantity(cost['per_inference'], unit)} an inference ({cost['source']})"
        for cost in costs
    ]


def _quantity(value: float, unit: str) -> str:
    """Write a number with an SI prefix."""
    for factor, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value / 1e-12:.3g} p{unit}"
