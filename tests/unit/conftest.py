"""Fixtures that several unit tests share; files that need other ones define their own."""

import numpy as np
import pytest

from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes


@pytest.fixture
def network(rng):
    """Return an analog network of random weights: 16 pixels, 3 classes, layers of 40 and 20 neurons."""
    weights = (rng.normal(size=(40, 19)) / 4, rng.normal(size=(20, 40)) / 6)
    return AnalogNetwork(weights, LabelCodes(np.eye(3), 1.0), GoodnessHead("symmetric", 1.0, 0.0, (0, 1)), (16,))


@pytest.fixture
def images(rng):
    """Return 60 random images for `network`."""
    return rng.random((60, 16), dtype=np.float32)
