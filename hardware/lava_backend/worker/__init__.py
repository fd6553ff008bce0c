"""The program that runs inside the Lava interpreter (Python 3.10) and drives the simulator.

It is started as a script (`__main__`), without the rest of this package, and answers over pipes (`protocol`). Only
`protocol` is imported by the other side as well.
"""
