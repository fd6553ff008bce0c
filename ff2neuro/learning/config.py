"""Hyperparameters of Forward-Forward training, their limits, and their TOML form."""

import dataclasses
from dataclasses import dataclass

from ff2neuro.learning.limits import (
    Device,
    LabelCoding,
    LabelLayers,
    LayerNormalization,
    Loss,
    MatmulPrecision,
    Negatives,
    Schedule,
    check_config,
    typed_value,
)
from ff2neuro.learning.toml_config import TomlConfig
from ff2neuro.networks.goodness import Probability

__all__ = ["TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig(TomlConfig):
    """How a network is trained, apart from the data set.

    Attributes
    ----------
    layers : tuple of int
        Number of neurons of every layer, first to last.
    probability : {"symmetric", "sigmoid"}
        Probability that a presentation is positive, built on the goodness (arXiv 2406.16479, section 2).
    alpha, theta : float
        Slope and threshold of the sigmoid probability; the symmetric one has neither.
    loss : {"cross-entropy", "symba", "swish"}
        What every layer minimises; see `ff2neuro.learning.objectives` for sources.
    negatives : {"random", "hard"}
        How the wrong label of a negative presentation is drawn: evenly, or the likelier the more the first layer takes
        it for the true one (hard negatives, arXiv 2212.13345, section 3.3).
    epochs : int
        Passes over the training images.
    batch_size : int
        Images per update; each is presented twice, with its true label and with a wrong one.
    learning_rate : float
        Step size of Adam (arXiv 1412.6980), the first one if there is a schedule.
    schedule : {"linear", "cosine", "constant"}
        How the step size falls to zero over the epochs: along a line, along half a cosine (arXiv 1608.03983), or not.
    label_code : {"random", "one-hot"}
        Binary codes drawn at random, or one bit per class.
    label_length : int
        Bits of a random code.
    label_density : float
        Probability of a one in a random code.
    label_strength : float
        Input of a one in the code, where pixels lie in [0, 1].
    label_layers : {"first", "all"}
        Which layers take the label code: the first, beside the image, or every one (arXiv 2604.13081; as top-down input
        in arXiv 2212.13345, section 3.4), in others than the first at the length of the activity beside it. A network
        with the latter cannot be converted to spikes.
    max_shift : float
        How far a training image is shifted at random each time it is presented, up or down and left or right, as a
        share of its height and width, rounded to whole pixels (jitter, arXiv 2212.13345, section 3.2); 0 for none.
    normalize_input : bool
        Whether the first layer's input is scaled to unit length, as those of the others always are.
    center_input : bool
        Whether the first layer learns on images less the mean training image, so that what all images share does not
        slow it down (LeCun et al., Efficient BackProp, 1998, section 4.3). The trained network takes images as they
        are and has no bias: the weights of the label code make up for it.
    layer_normalization : {"layer", "halves"}
        Whether a layer's activity is scaled to unit length as a whole before the next layer takes it, or each half by
        itself (Polar-FFA, arXiv 2408.09210). A network with the latter cannot be converted to spikes.
    voting_layers : tuple of int
        Layers whose probabilities make the score, counted from 0; empty for all.
    validation_fraction : float
        Share of the training images that is held out and judges the epochs; 0 trains on all of them, and epochs are
        then judged on a part of the training images.
    patience : int
        Epochs without a better accuracy on the held-out images after which training stops; the weights of the best
        epoch are then kept (early stopping). 0 trains to the end and keeps the last ones.
    peer_normalization : float
        Weight of a term that draws the mean activity of every neuron of a layer towards the layer's mean, so that none
        is always or never active; 0 for none (peer normalisation of the code published with arXiv 2212.13345).
    one_pass_updates : int
        Updates that fit the one-pass head after training, each on a batch (arXiv 2212.13345, section 3.3); 0 for no
        such head.
    device : {"cpu", "cuda"}
        Where training runs.
    matmul_precision : {"highest", "medium"}
        Whether matrix products take float32 numbers as they are, or round them to bfloat16 where the processor has
        instructions for such products; sums are float32 in either case (`torch.set_float32_matmul_precision`).
    seed : int
        Source of the weights, label codes, order of images and wrong labels.
    threads : int
        CPU threads; 0 leaves PyTorch's own choice. One is fastest for layers of a few hundred neurons, and gives the
        same bits on machines with other numbers of cores.

    Raises
    ------
    ConfigurationError
        If a value is of the wrong type or beyond its limits, or values do not go together.

    Examples
    --------
    >>> TrainingConfig(layers=(100, 100), epochs=3).voters
    (0, 1)
    """

    layers: tuple[int, ...] = (200,)
    probability: Probability = "symmetric"
    alpha: float = 6.0
    theta: float = 2.0
    loss: Loss = "cross-entropy"
    negatives: Negatives = "random"
    epochs: int = 30
    batch_size: int = 50
    learning_rate: float = 0.003
    schedule: Schedule = "linear"
    label_code: LabelCoding = "random"
    label_length: int = 100
    label_density: float = 0.3
    label_strength: float = 1.0
    label_layers: LabelLayers = "first"
    max_shift: float = 0.0
    normalize_input: bool = True
    center_input: bool = False
    layer_normalization: LayerNormalization = "layer"
    voting_layers: tuple[int, ...] = ()
    validation_fraction: float = 0.0
    patience: int = 0
    peer_normalization: float = 0.0
    one_pass_updates: int = 0
    device: Device = "cpu"
    matmul_precision: MatmulPrecision = "highest"
    seed: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = typed_value(field.name, getattr(self, field.name), field.default)
            object.__setattr__(self, field.name, value)
        check_config(self)

    @property
    def voters(self) -> tuple[int, ...]:
        """Indices of the layers that vote."""
        return self.voting_layers or tuple(range(len(self.layers)))
