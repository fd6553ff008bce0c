"""A machine of integer neurons, and its adapter to ff2neuro."""

__version__ = "1.0"
