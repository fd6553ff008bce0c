"""Machines as data: what their cores hold, as far as it is public, and what their operations cost.

One TOML file per machine stands beside this one. A figure that nobody has published is left out there and None here;
every other one names its source.
"""

from ff2neuro.hardware.targets.target import Core, EnergyModel, LatencyModel, Target, available_targets, load_target

__all__ = ["Core", "EnergyModel", "LatencyModel", "Target", "available_targets", "load_target"]
