"""The reference: NumPy, bit-exact to Lava's fixed-point CPU models, or in double precision."""
