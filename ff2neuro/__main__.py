"""``python -m ff2neuro``."""

from ff2neuro.cli.main import main

main()
