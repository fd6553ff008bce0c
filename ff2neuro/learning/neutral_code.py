r"""A label code that speaks for no class, and what it does to the first layer.

The mean of all codes is neutral, but drives the first layer as strongly as a label does, and most data are told apart
better by a linear map where the image has more of a say. So the neutral label gets a random code n of its own. Where it
is independent of the codes c of all classes, there is z with :math:`z^\top n = 1` and :math:`z^\top c = 0`, and weights
:math:`U + (b - U n) z^\top` of the label code do under every class what U does, and give the neutral code whatever
drive b.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.config import TrainingConfig
from ff2neuro.networks import AnalogNetwork, LabelCodes

__all__ = ["add_neutral_code"]

Array = npt.NDArray[np.float32]

#: Stream of chance of the neutral code; smaller ones are those of `ff2neuro.learning.initial`.
_NEUTRAL_CODE = 16
#: Drive of the neutral code as a share of the mean drive of the classes' codes.
DRIVE = 0.75
#: Share of a code's energy that has to be its own, so that its weights need not be large.
OWN_SHARE = 0.25


def add_neutral_code(
    network: AnalogNetwork, config: TrainingConfig, center: Array | None
) -> tuple[AnalogNetwork, Array]:
    """Return a network that has a neutral code, and that code.

    Parameters
    ----------
    network : AnalogNetwork
        Trained network.
    config : TrainingConfig
        Its hyperparameters.
    center : ndarray of shape (n_pixels,), optional
        Image that was subtracted from images when it learnt, for which the neutral code has to make up, too.

    Returns
    -------
    network : AnalogNetwork
        The same function under the codes of all classes, up to rounding. The very network if the code is their mean.
    code : ndarray of float32, shape (code_length,)
        Neutral code, in the units of `LabelCodes.codes`: one of its own, or the mean of all codes if those are no
        random ones, leave no room for another, or go to more layers than the first.
    """
    codes = network.label_codes
    code = None if network.label_every_layer or config.label_code != "random" else _independent_code(config, codes)
    mean: Array = codes.codes.mean(axis=0)
    if code is None:
        return network, mean
    first = network.weights[0].astype(np.float64)
    pixels, bits = first[:, : network.n_pixels], first[:, network.n_pixels :]
    # The mean code makes up for the center as a whole, a share of its drive would do so by that share.
    drive = DRIVE * (bits @ mean) * codes.strength
    if center is not None:
        drive -= (1 - DRIVE) * (pixels @ center)
    own = _own_part(code, codes)
    bits += np.outer(drive / codes.strength - bits @ code, own / (own @ code))
    return replace(network, weights=(first.astype(np.float32), *network.weights[1:])), code


def _independent_code(config: TrainingConfig, codes: LabelCodes) -> Array | None:
    """Draw a code like those of the classes; None if it is too much like a mixture of them."""
    chance = np.random.default_rng([config.seed, _NEUTRAL_CODE])
    code: Array = (chance.random(codes.length) < config.label_density).astype(np.float32)
    own = _own_part(code, codes)
    return code if own @ own > OWN_SHARE * (code @ code) else None


def _own_part(code: Array, codes: LabelCodes) -> npt.NDArray[np.float64]:
    """Return the part of a code that is orthogonal to the codes of all classes."""
    wide = codes.codes.astype(np.float64)
    own: npt.NDArray[np.float64] = code - np.linalg.pinv(wide) @ (wide @ code)
    return own
