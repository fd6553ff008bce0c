"""XyloSim, SynSense's bit-accurate simulator of Xylo, in a Python of its own."""
