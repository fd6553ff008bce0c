"""NIR graph and input events -> a machine -> a recording.

Imported as ``ff2neuro.hardware``; the folder stands at the top of the checkout. Nothing here sees a network of ours.
"""

if __name__ != "ff2neuro.hardware":
    raise ImportError("import ff2neuro.hardware, not hardware")
