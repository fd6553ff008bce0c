"""Analog network -> spiking network -> NIR file, and back.

Imported as ``ff2neuro.converters``; the folder stands at the top of the checkout.
"""

if __name__ != "ff2neuro.converters":
    raise ImportError("import ff2neuro.converters, not converters")
