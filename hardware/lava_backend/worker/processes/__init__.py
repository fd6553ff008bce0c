"""Lava processes of our own, alone in a directory: Lava executes every file beside a process to find its models."""
