import pytest

from ff2neuro.errors import ConfigurationError, FileFormatError
from ff2neuro.validation import Thresholds, read_gate


def write(tmp_path, text):
    path = tmp_path / "gate.toml"
    path.write_text(text)
    return path


def test_keys_left_out_keep_their_defaults(tmp_path):
    assert read_gate(write(tmp_path, "[gate]\nmin_cka = 0.5\n")) == Thresholds(min_cka=0.5)


def test_other_tables_are_left_alone(tmp_path):
    assert read_gate(write(tmp_path, "[other]\nx = 1\n[gate]\n")) == Thresholds()


def test_unknown_key_names_the_nearest(tmp_path):
    path = write(tmp_path, "[gate]\nmin_latent_agreemnt = 0.9\n")
    with pytest.raises(
        ConfigurationError, match=r"unknown key 'min_latent_agreemnt'.*did you mean min_latent_agreement"
    ):
        read_gate(path)


def test_key_that_resembles_none_lists_all(tmp_path):
    with pytest.raises(ConfigurationError, match=r"unknown key 'zzz'.*known are max_accuracy_drop_pp"):
        read_gate(write(tmp_path, "[gate]\nzzz = 1\n"))


@pytest.mark.parametrize("value", ["2.0", "'high'", "true", "nan"])
def test_value_out_of_range_names_the_file(tmp_path, value):
    with pytest.raises(ConfigurationError, match=r"gate.toml: min_cka is .* between 0 and 1"):
        read_gate(write(tmp_path, f"[gate]\nmin_cka = {value}\n"))


@pytest.mark.parametrize("text", ["", "gate = 3\n", "[gates]\n"])
def test_file_without_a_gate_is_refused(tmp_path, text):
    with pytest.raises(ConfigurationError, match=r"has no table \[gate\]"):
        read_gate(write(tmp_path, text))


def test_file_that_is_no_toml_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="is no TOML"):
        read_gate(write(tmp_path, "[gate\n"))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_bytes(b"\xff\xfe[gate]")
    with pytest.raises(FileFormatError, match="is no TOML"):
        read_gate(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        read_gate(tmp_path / "gate.toml")
