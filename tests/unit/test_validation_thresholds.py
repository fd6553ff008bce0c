import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.validation import Check, Thresholds


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("max_accuracy_drop_pp", -0.1, "0 and 100"),
        ("max_accuracy_drop_pp", 100.5, "0 and 100"),
        ("max_accuracy_drop_pp", float("nan"), "0 and 100"),
        ("min_prediction_agreement", 1.01, "0 and 1"),
        ("min_prediction_agreement", -0.5, "0 and 1"),
        ("min_latent_agreement", 1.5, "-1 and 1"),
        ("min_cka", float("inf"), "0 and 1"),
        ("max_replay_mismatch", -0.01, "0 and 1"),
        ("max_faults", -1, "0 and inf"),
        ("min_cka", "0.9", "0 and 1"),
        ("min_cka", True, "0 and 1"),
    ],
)
def test_threshold_out_of_range_is_refused(name, value, limits):
    with pytest.raises(ConfigurationError, match=rf"{name} is .* between {limits}"):
        Thresholds(**{name: value})


def test_default_gate_is_one_point_of_accuracy_and_no_fault():
    assert Thresholds().to_json() == {
        "max_accuracy_drop_pp": 1.0,
        "min_prediction_agreement": None,
        "min_latent_agreement": None,
        "min_cka": None,
        "max_replay_mismatch": None,
        "max_faults": 0,
    }


@pytest.mark.parametrize(
    ("value", "relation", "passed"),
    [
        (0.5, "<=", True),
        (0.6, "<=", True),
        (0.61, "<=", False),
        (0.6, ">=", True),
        (0.5, ">=", False),
        (None, "<=", False),
    ],
)
def test_check_holds_up_to_its_limit(value, relation, passed):
    assert Check("figure", value, relation, 0.6).passed is passed
