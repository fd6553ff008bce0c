"""The scikit-learn estimator: scikit-learn's own suite, and what that does not ask."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import ff2neuro
from ff2neuro import ForwardForwardClassifier
from ff2neuro.errors import ConfigurationError, DatasetError, FileFormatError
from ff2neuro.learning import TrainingConfig
from ff2neuro.networks import load_model, save_model


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def iris():
    features, species = load_iris(return_X_y=True)
    return features, np.array(["setosa", "versicolor", "virginica"])[species]


@parametrize_with_checks([ForwardForwardClassifier(layers=(40,), epochs=20, batch_size=20, random_state=0)])
def test_scikit_learns_own_suite(estimator, check):
    check(estimator)


def test_every_hyperparameter_but_the_seed_is_a_parameter():
    expected = TrainingConfig().to_mapping()
    expected.pop("seed")
    given = ForwardForwardClassifier().get_params()
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()} == {
        **expected,
        "image_shape": None,
        "label_strength": None,
        "random_state": None,
    }


def test_digits_as_they_are_reach_94_percent_on_unseen_ones(digits):
    # The digits come writer by writer, so that the last ones are of unknown hands.
    train, test = np.split(np.random.default_rng(1).permutation(1797), [1000])
    features, labels = digits
    classifier = ForwardForwardClassifier(layers=(100,), epochs=15, random_state=1).fit(features[train], labels[train])
    assert classifier.score(features[test], labels[test]) >= 0.94
    assert classifier.n_iter_ == 15


def test_names_of_classes_come_back(iris):
    features, species = iris
    classifier = ForwardForwardClassifier(layers=(40,), random_state=1).fit(features, species)
    assert set(classifier.predict(features)) == set(species)
    assert classifier.score(features, species) >= 0.9


def test_constant_feature_and_values_beyond_the_range_do_no_harm(iris):
    features, species = iris
    padded = np.column_stack([features, np.full(len(features), 7.0)])
    classifier = ForwardForwardClassifier(layers=(40,), epochs=10, random_state=1).fit(padded, species)
    assert np.isfinite(classifier.predict_proba(padded * 1000)).all()
    assert (classifier._pixels(padded * 1000) <= 1).all()


def test_scale_of_a_feature_does_not_matter(iris):
    features, species = iris
    scaled = features * [1, 1e3, 1e-3, 8] - [5, 0, 1, 2]
    first, second = (
        ForwardForwardClassifier(layers=(20,), epochs=5, random_state=1).fit(x, species) for x in (features, scaled)
    )
    np.testing.assert_allclose(first.predict_proba(features), second.predict_proba(scaled), atol=1e-4)


def test_one_class_is_refused(iris):
    with pytest.raises(DatasetError, match="y holds one class only, 'a'"):
        ForwardForwardClassifier().fit(iris[0], ["a"] * 150)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"layers": (201,)}, "make it 202"),
        ({"image_shape": (2, 3)}, r"image_shape is \(2, 3\), but X has 4 features"),
        ({"max_shift": 0.2}, r"features of shape \(4,\) have no rows and columns"),
    ],
)
def test_bad_parameter_is_refused_at_fit(iris, parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        ForwardForwardClassifier(**parameters).fit(*iris)


def test_images_are_shifted_where_their_shape_is_given(digits):
    classifier = ForwardForwardClassifier(layers=(20,), epochs=1, image_shape=(8, 8), max_shift=0.125, random_state=1)
    assert classifier.fit(digits[0][:100], digits[1][:100]).network_.image_shape == (8, 8)


def test_latents_are_directions_that_another_classifier_can_use(iris):
    features, species = iris
    classifier = ForwardForwardClassifier(layers=(20, 10), epochs=10, random_state=1).fit(features, species)
    latents = classifier.transform(features)
    np.testing.assert_allclose(np.linalg.norm(latents[:, :20], axis=1), 1, atol=1e-6)
    assert list(classifier.get_feature_names_out()[19:21]) == ["layer0_neuron19", "layer1_neuron0"]


def test_pipeline_and_grid_search(iris):
    pipeline = make_pipeline(StandardScaler(), ForwardForwardClassifier(epochs=10, batch_size=10, random_state=1))
    search = GridSearchCV(pipeline, {"forwardforwardclassifier__layers": [(2,), (40,)]}, cv=3).fit(*iris)
    assert search.best_params_ == {"forwardforwardclassifier__layers": (40,)}
    assert search.best_score_ > 0.85


def test_saved_estimator_predicts_as_before_and_its_network_is_a_model(iris, tmp_path):
    features, species = iris
    classifier = ForwardForwardClassifier(layers=(20,), epochs=5, one_pass_updates=9, random_state=5)
    classifier.fit(features, species).save(tmp_path / "model.h5")
    loaded = ForwardForwardClassifier.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.predict_proba(features), classifier.predict_proba(features))
    np.testing.assert_array_equal(loaded.predict(features), classifier.predict(features))
    assert loaded.get_params()["epochs"] == 5
    assert loaded.fit(features, species).network_.checksum == classifier.network_.checksum
    assert load_model(tmp_path / "model.h5").checksum == classifier.network_.checksum


@pytest.mark.parametrize("classes", [np.array([False, True]), np.array([3, 7]), np.array(["a", "b"], dtype=object)])
def test_type_of_classes_survives_the_file(iris, tmp_path, classes):
    features, labels = iris[0][:100], classes[(iris[1][:100] == "setosa").astype(int)]
    classifier = ForwardForwardClassifier(layers=(4,), epochs=1, random_state=1).fit(features, labels)
    classifier.save(tmp_path / "model.h5")
    loaded = ForwardForwardClassifier.load(tmp_path / "model.h5").classes_
    assert loaded.dtype.kind == classifier.classes_.dtype.kind
    assert list(loaded) == list(classifier.classes_)


def test_model_without_estimator_is_refused(iris, tmp_path):
    classifier = ForwardForwardClassifier(layers=(4,), epochs=1, random_state=1).fit(*iris)
    save_model(classifier.network_, tmp_path / "model.h5")
    with pytest.raises(FileFormatError, match="holds a network but no estimator"):
        ForwardForwardClassifier.load(tmp_path / "model.h5")


def test_package_knows_no_other_name():
    with pytest.raises(AttributeError, match="has no attribute 'Backpropagation'"):
        _ = ff2neuro.Backpropagation
