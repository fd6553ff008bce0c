"""Forward-Forward classification with the interface of scikit-learn."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError, DatasetError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.estimator_file import FittedState, load_fitted, save_fitted
from ff2neuro.learning.initial import initial_label_codes
from ff2neuro.learning.limits import (
    Device,
    LabelCoding,
    LabelLayers,
    LayerNormalization,
    Loss,
    MatmulPrecision,
    Negatives,
    Schedule,
)
from ff2neuro.learning.shifts import image_grid
from ff2neuro.networks import unit_length
from ff2neuro.networks.goodness import Probability

__all__ = ["ForwardForwardClassifier"]

Array = npt.NDArray[Any]


class ForwardForwardClassifier(TransformerMixin, ClassifierMixin, BaseEstimator):
    """A network of bias-free ReLU layers that learn locally, by the Forward-Forward Algorithm.

    Features of any range are scaled to [0, 1] by the least and the greatest value that each had in training; a feature
    that was constant there is 0, and values beyond the range are clipped to it. Classes may be of any type. There is no
    `partial_fit`: step sizes that fall to zero and a scale learnt from all the data know no further batch.

    Parameters
    ----------
    layers : sequence of int
        Number of neurons of every layer.
    image_shape : tuple of int, optional
        Rows and columns of an image, for those who shift them; by default features have no order.
    label_strength : float, optional
        Input of a one in the label code; by default the code has as much energy as the features have on average, for
        otherwise a few features would be lost beside it.
    random_state : int, RandomState or None
        Source of all chance.
    probability, alpha, theta, loss, negatives, epochs, batch_size, learning_rate, schedule, label_code, label_length, \
label_density, label_layers, max_shift, normalize_input, center_input, layer_normalization, voting_layers, \
validation_fraction, patience, peer_normalization, one_pass_updates, device, matmul_precision, threads
        As in `ff2neuro.learning.TrainingConfig`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted.
    n_features_in_ : int
        Number of features.
    feature_min_, feature_range_ : ndarray of shape (n_features,)
        Scale of the features.
    network_ : AnalogNetwork
        The trained network; takes features that are scaled already.
    n_iter_ : int
        Epochs done.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> features, species = load_iris(return_X_y=True)
    >>> classifier = ForwardForwardClassifier(layers=(40,), random_state=0).fit(features, species)
    >>> bool(classifier.score(features, species) > 0.9)
    True
    """

    def __init__(
        self,
        layers: tuple[int, ...] = (200,),
        *,
        probability: Probability = "symmetric",
        alpha: float = 6.0,
        theta: float = 2.0,
        loss: Loss = "cross-entropy",
        negatives: Negatives = "random",
        epochs: int = 30,
        batch_size: int = 50,
        learning_rate: float = 0.003,
        schedule: Schedule = "linear",
        label_code: LabelCoding = "random",
        label_length: int = 100,
        label_density: float = 0.3,
        label_strength: float | None = None,
        label_layers: LabelLayers = "first",
        max_shift: float = 0.0,
        normalize_input: bool = True,
        center_input: bool = False,
        layer_normalization: LayerNormalization = "layer",
        voting_layers: tuple[int, ...] = (),
        validation_fraction: float = 0.0,
        patience: int = 0,
        peer_normalization: float = 0.0,
        one_pass_updates: int = 0,
        device: Device = "cpu",
        matmul_precision: MatmulPrecision = "highest",
        threads: int = 1,
        image_shape: tuple[int, ...] | None = None,
        random_state: Any = None,
    ) -> None:
        self.layers = layers
        self.probability = probability
        self.alpha = alpha
        self.theta = theta
        self.loss = loss
        self.negatives = negatives
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.label_code = label_code
        self.label_length = label_length
        self.label_density = label_density
        self.label_strength = label_strength
        self.label_layers = label_layers
        self.max_shift = max_shift
        self.normalize_input = normalize_input
        self.center_input = center_input
        self.layer_normalization = layer_normalization
        self.voting_layers = voting_layers
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.peer_normalization = peer_normalization
        self.one_pass_updates = one_pass_updates
        self.device = device
        self.matmul_precision = matmul_precision
        self.threads = threads
        self.image_shape = image_shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "ForwardForwardClassifier":
        """Train a network.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.
        y : array_like of shape (n_samples,)
            Classes.

        Returns
        -------
        ForwardForwardClassifier
            This estimator.

        Raises
        ------
        ConfigurationError
            If a parameter is refused, or does not suit the data.
        DatasetError
            If there is only one class.
        ValueError
            If `X` or `y` is of the wrong shape or kind, or holds NaN.
        """
        from ff2neuro.learning.trainer import train

        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DatasetError(
                f"y holds one class only, {self.classes_.tolist()[0]!r}; a classifier needs at least 2 classes"
            )
        self.feature_min_, self.feature_range_ = _feature_scale(X)
        pixels = self._pixels(X)
        config = self._training_config(pixels)
        # A data set has two splits; training looks at the first alone.
        data = Dataset("estimator", pixels, labels, pixels[:1], labels[:1], self._image_shape(), len(self.classes_))
        self.network_ = train(data, config)
        self.n_iter_ = int(self.network_.provenance["epochs_done"])
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return how much speaks for each class.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Each class's share of the scores; for two classes, how much greater the second one's is.
        """
        shares = self.predict_proba(X)
        return shares[:, 1] - shares[:, 0] if len(self.classes_) == 2 else shares

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return each class's share of the scores of the label sweep, which are sums of the layers' probabilities.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Shares, which sum to 1; they are not calibrated.
        """
        self._require_fitted()
        scores = self.network_.scores(self._checked_pixels(X))
        total = scores.sum(axis=1, keepdims=True)
        shares: npt.NDArray[np.float64] = np.where(total > 0, scores, 1) / np.where(total > 0, total, scores.shape[1])
        return shares

    def predict(self, X: Any) -> Array:
        """Classify by label sweep.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.
        """
        winners: Array = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the latents of all layers under a neutral label code, each layer scaled to unit length.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, total number of neurons)
            Latents, first layer first.
        """
        self._require_fitted()
        neutral = self.network_.label_codes.values.mean(axis=0, keepdims=True)
        latents = self.network_.latents(self._checked_pixels(X), neutral)
        return np.concatenate([unit_length(latent[:, 0]) for latent in latents], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return a name for every latent.

        Parameters
        ----------
        input_features : ignored
            Latents are not named after features.

        Returns
        -------
        ndarray of str objects
            ``layer0_neuron0`` and so on.
        """
        self._require_fitted()
        widths = enumerate(self.network_.widths)
        return np.array([f"layer{layer}_neuron{n}" for layer, width in widths for n in range(width)], dtype=object)

    def save(self, path: Path | str) -> None:
        """Write the fitted estimator to a model file, without pickle.

        Any command that takes a model file takes this one, with features scaled to [0, 1].

        Parameters
        ----------
        path : Path or str
            Where; replaced if it exists.

        Raises
        ------
        OutputError
            If the file cannot be written.
        ConfigurationError
            If the classes are of a type that no such file can hold.
        """
        self._require_fitted()
        scale = (self.feature_min_, self.feature_range_)
        parameters = {**self.get_params(), "random_state": None}
        save_fitted(FittedState(self.network_, self.classes_, *scale, parameters), Path(path))

    @classmethod
    def load(cls, path: Path | str) -> "ForwardForwardClassifier":
        """Read a fitted estimator.

        Parameters
        ----------
        path : Path or str
            A file that `save` wrote.

        Returns
        -------
        ForwardForwardClassifier
            The estimator, which predicts as the saved one did; its `random_state` is the seed that it was trained with.

        Raises
        ------
        FileFormatError
            If the file does not exist, is damaged, or holds no estimator.
        """
        fitted = load_fitted(Path(path))
        estimator = cls(**{**fitted.parameters, "random_state": int(fitted.network.provenance["seed"])})
        estimator.network_, estimator.classes_ = fitted.network, fitted.classes
        estimator.feature_min_, estimator.feature_range_ = fitted.feature_min, fitted.feature_range
        estimator.n_features_in_ = len(fitted.feature_min)
        estimator.n_iter_ = int(fitted.network.provenance["epochs_done"])
        return estimator

    def _require_fitted(self) -> None:
        """Refuse to go on before `fit`."""
        check_is_fitted(self, "network_")

    def _training_config(self, pixels: npt.NDArray[np.float32]) -> TrainingConfig:
        names = [field.name for field in dataclasses.fields(TrainingConfig) if field.name != "seed"]
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        values = {name: getattr(self, name) for name in names}
        if self.label_strength is None:
            values["label_strength"] = 1.0
        config = TrainingConfig.from_mapping({**values, "seed": int(seed)}, "the estimator")
        if self.label_strength is not None:
            return config
        energy = float(np.square(pixels, dtype=np.float64).sum(axis=1).mean())
        codes = initial_label_codes(config, len(self.classes_)).codes
        return config.replace(label_strength=np.sqrt(energy / codes.sum(axis=1).mean()).item() or 1.0)

    def _image_shape(self) -> tuple[int, ...]:
        shape = (self.n_features_in_,) if self.image_shape is None else tuple(self.image_shape)
        if int(np.prod(shape)) != self.n_features_in_:
            raise ConfigurationError(f"image_shape is {shape}, but X has {self.n_features_in_} features; omit it")
        if self.max_shift and image_grid(shape) is None:
            raise ConfigurationError(
                f"max_shift is {self.max_shift}, but features of shape {shape} have no rows and columns to be shifted "
                "along; give image_shape=(height, width), or set max_shift to 0"
            )
        return shape

    def _checked_pixels(self, X: Any) -> npt.NDArray[np.float32]:
        return self._pixels(validate_data(self, X, dtype=np.float64, reset=False))

    def _pixels(self, X: Array) -> npt.NDArray[np.float32]:
        """Scale features to [0, 1]."""
        scaled = (np.clip(X, self.feature_min_, self.feature_min_ + self.feature_range_) - self.feature_min_) / (
            np.where(self.feature_range_ > 0, self.feature_range_, 1)
        )
        return np.clip(scaled, 0, 1).astype(np.float32)


def _feature_scale(X: Array) -> tuple[Array, Array]:
    """Return the least value of every feature and its range."""
    low = X.min(axis=0)
    return low, X.max(axis=0) - low
