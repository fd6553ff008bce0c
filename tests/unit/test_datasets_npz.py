"""The user's own data in a .npz file."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ff2neuro.data import load_npz
from ff2neuro.errors import DatasetError


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (12, 4, 3), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": rng.integers(0, 256, (6, 4, 3), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }


@pytest.fixture
def write(tmp_path: Path, arrays):
    def write(**changes) -> Path:
        path = tmp_path / "own.npz"
        np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})
        return path

    return write


def test_bytes_are_scaled_and_images_flattened(write, arrays):
    data = load_npz(write())
    assert (data.name, data.image_shape, data.n_classes) == ("own.npz", (4, 3), 3)
    np.testing.assert_array_equal(data.x_train, arrays["x_train"].reshape(12, 12).astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(data.y_test, arrays["y_test"])


def test_compressed_file_is_the_same_dataset(write, arrays, tmp_path: Path):
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    assert load_npz(tmp_path / "small.npz").checksum == load_npz(write()).checksum


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int16])
def test_other_integers_that_fit_a_byte_are_the_same_dataset(write, arrays, dtype):
    checksum = load_npz(write()).checksum
    changes = {key: arrays[key].astype(dtype) for key in ("x_train", "x_test")}
    assert load_npz(write(**changes)).checksum == checksum


def test_floats_and_booleans_are_taken_as_they_are(write, arrays):
    black_and_white = arrays["x_train"] > 127
    data = load_npz(write(x_train=black_and_white, x_test=np.full((6, 4, 3), 0.25)))
    np.testing.assert_array_equal(data.x_train, black_and_white.reshape(12, 12))
    assert (data.x_test == 0.25).all()


def test_whole_float_labels_are_taken(write, arrays):
    assert load_npz(write(y_train=arrays["y_train"].astype(float))).checksum == load_npz(write()).checksum


def test_flat_images_and_colour_axes_keep_their_shape(write):
    assert load_npz(write(x_train=np.zeros((12, 5)), x_test=np.zeros((6, 5)))).image_shape == (5,)
    assert load_npz(write(x_train=np.zeros((12, 2, 2, 3)), x_test=np.zeros((6, 2, 2, 3)))).image_shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, r"lacks y_test \(it holds x_train, y_train, x_test\); it needs x_train, y_train, x_test"),
        ({"x_train": np.array([{}] * 12)}, r"x_train cannot be read .*; it must be a plain array of numbers"),
        ({"x_train": np.full((12, 4, 3), 256)}, "x_train holds int64 values from 256 to 256; integer pixels must lie"),
        ({"x_test": np.full((6, 4, 3), -1)}, "x_test holds int64 values from -1 to -1"),
        ({"x_train": np.ones((12, 4, 3), dtype=int)}, "integers from 1 to 1, which may be black and white"),
        ({"x_train": np.full((12, 4, 3), 1.5)}, r"x_train holds pixels from 1.5 to 1.5; scale them to \[0, 1\]"),
        ({"x_train": np.full((12, 4, 3), np.nan)}, "x_train holds NaN or infinite"),
        ({"x_test": np.full((6, 4, 3), np.inf)}, "x_test holds NaN or infinite"),
        ({"x_train": np.full((12, 4, 3), 1j)}, "x_train holds complex128 values; pixels must be floats"),
        ({"x_train": np.zeros((0, 4, 3))}, r"x_train has shape \(0, 4, 3\)"),
        ({"x_train": np.zeros(12)}, r"x_train has shape \(12,\); it must be \(image, height, width\)"),
        ({"x_train": np.zeros((12, 3, 4))}, r"images of x_train have shape \(3, 4\), of x_test \(4, 3\)"),
        ({"x_train": np.zeros((11, 4, 3))}, "x_train holds 11 images, y_train 12 labels"),
        ({"y_train": np.array(["cat", "dog"] * 6)}, r"y_train holds text \('cat', ...\); number the classes .*unique"),
        ({"y_train": np.array([b"cat", b"dog"] * 6)}, "y_train holds text"),
        ({"y_train": np.arange(12) % 3 + 1}, "y_train holds the classes 1, 2, 3; they must be 0 to 2 without a gap"),
        ({"y_train": np.arange(12) % 2 * 2}, "y_train holds the classes 0, 2; they must be 0 to 1"),
        ({"y_train": np.arange(12) - 1}, r"holds the classes -1, 0, 1, 2, 3, \.\.\. 10"),
        ({"y_train": np.full(12, 0.5)}, "y_train holds the label 0.5; labels must be whole numbers"),
        ({"y_train": np.full(12, np.nan)}, "y_train holds the label nan"),
        ({"y_train": np.full(12, 1e300)}, r"y_train holds the label 1e\+300"),
        ({"y_train": np.zeros(12, dtype=int)}, "all labels of y_train are 0; give images of at least 2 classes"),
        (
            {"y_train": np.array(["cat", "dog"] * 6, dtype=object)},
            r"y_train cannot be read .*text labels as numpy.unique",
        ),
        ({"y_train": np.eye(12)}, r"y_train has shape \(12, 12\).*one-hot rows store labels.argmax"),
        ({"y_train": np.zeros(0, dtype=int)}, r"y_train has shape \(0,\)"),
        ({"y_train": np.arange(12) % 2 == 0}, "y_train holds bool values; labels must be whole numbers"),
        ({"y_test": np.array([0, 1, 2, 3, 0, 1])}, "y_test holds classes that y_train lacks, 3; give training images"),
    ],
)
def test_unsound_file_is_refused(write, changes, message):
    path = write(**changes)
    with pytest.raises(DatasetError, match=message) as raised:
        load_npz(path)
    assert "own.npz" in str(raised.value)


def test_black_test_split_of_bytes_is_no_black_and_white_one(write):
    data = load_npz(write(x_test=np.zeros((6, 4, 3), dtype=np.uint8)))
    assert not data.x_test.any()


def test_file_cut_anywhere_is_refused(write):
    path = write()
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"is not a \.npz file, or is truncated|is damaged"):
            load_npz(path)


def test_file_with_a_flipped_bit_is_refused_or_unharmed(write):
    path = write()
    checksum = load_npz(path).checksum
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[position] ^= 0x04
        path.write_bytes(damaged)
        try:
            assert load_npz(path).checksum == checksum
        except DatasetError:
            refused += 1
    assert refused > 0


def npy_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1048576, 1048576, 256)}") + bytes(100),
        npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (12, 4, 3)}") + bytes(100),
        npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (012, 4, 3)}") + bytes(144),
        npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (12, 4, 3}") + bytes(144),
        npy_header("[" * 5000),
        b"\x93NUMPY",
        b"",
        b"neither",
    ],
    ids=["absurd size", "too few values", "octal", "open bracket", "nested", "no header", "empty", "no array"],
)
def test_damaged_array_in_a_sound_archive_is_refused(write, content):
    path = write(x_train=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", content)
    with pytest.raises(DatasetError, match=r"own\.npz.*(x_train is not a NumPy array|cannot be read)"):
        load_npz(path)


def test_other_kinds_of_file_are_refused(tmp_path: Path, arrays):
    with pytest.raises(DatasetError, match=r"absent\.npz does not exist; name a \.npz file"):
        load_npz(tmp_path / "absent.npz")
    with pytest.raises(DatasetError, match="is not a file"):
        load_npz(tmp_path)
    np.save(tmp_path / "one.npy", arrays["x_train"])
    with pytest.raises(DatasetError, match=r"one\.npy is not a \.npz file"):
        load_npz(tmp_path / "one.npy")
