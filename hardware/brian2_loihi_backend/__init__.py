"""A second opinion: brian2-loihi, another group's emulator of Loihi, in a Python of its own."""
