"""Reading IDX files, sound and damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from ff2neuro.data.idx import MAX_VALUES, read_idx, read_images_and_labels
from ff2neuro.errors import DatasetError


def idx_bytes(array: np.ndarray, type_code: int = 0x08) -> bytes:
    return bytes((0, 0, type_code, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["unpacked", "gzipped"])
@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_values_come_back_whatever_the_file_is_called(tmp_path: Path, images, pack, name):
    path = tmp_path / name
    path.write_bytes(pack(idx_bytes(images)))
    np.testing.assert_array_equal(read_idx(path, 3), images)


def test_file_larger_than_one_piece_comes_back_whole(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (3, 1024, 1024), dtype=np.uint8)
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(images))
    np.testing.assert_array_equal(read_idx(path, 3), images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it starts with nothing"),
        (b"\x93NUMPY", "not an IDX file: it starts with 93 4e 55 4d"),
        (b"\0\0\x07\x03", "not an IDX file"),
        (b"\0\0\x0d\x03" + bytes(20), "holds floats; images and labels must be unsigned bytes"),
        (b"\0\0\x08\x01" + bytes(20), "has 1 axes, not 3.*not swapped"),
        (b"\0\0\x08\x03" + bytes(11), "ends within its header"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 28, 28), "announces 0 x 28 x 28 = 0 values"),
        (b"\0\0\x08\x03" + b"\xff" * 12, f"4294967295 x 4294967295 x .* must be 1 to {MAX_VALUES}"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2, 2, 2) + bytes(7), "holds 7 values, .* announces 2 x 2 x 2 = 8"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2, 2, 2) + bytes(9), "more values than the 2 x 2 x 2 = 8"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**10, 2**10, 2**10) + bytes(7), "holds 7 values"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["unpacked", "gzipped"])
def test_damaged_content_is_refused_by_name(tmp_path: Path, pack, content, message):
    path = tmp_path / "images"
    path.write_bytes(pack(content))
    with pytest.raises(DatasetError, match=message) as raised:
        read_idx(path, 3)
    assert str(path) in str(raised.value)


def test_gzip_file_cut_anywhere_is_refused(tmp_path: Path, images):
    whole = gzip.compress(idx_bytes(images))
    path = tmp_path / "images.gz"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"truncated|not an IDX file"):
            read_idx(path, 3)


def test_gzip_file_with_a_flipped_bit_is_refused_or_unharmed(tmp_path: Path, images):
    whole = gzip.compress(idx_bytes(images), mtime=0)
    path = tmp_path / "images.gz"
    refused = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            # Some bits of a gzip header mean nothing (time, operating system); the values must then be right.
            np.testing.assert_array_equal(read_idx(path, 3), images)
        except DatasetError:
            refused += 1
    assert refused >= len(whole) - 10


def test_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DatasetError, match="absent cannot be read: No such file"):
        read_idx(tmp_path / "absent", 3)


def test_directory_in_place_of_a_file_is_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match="cannot be read: Is a directory"):
        read_idx(tmp_path, 3)


def test_images_and_labels_of_different_number_are_refused_with_both_counts(tmp_path: Path, images):
    (tmp_path / "images").write_bytes(idx_bytes(images))
    (tmp_path / "labels").write_bytes(idx_bytes(np.zeros(4, dtype=np.uint8)))
    with pytest.raises(DatasetError, match=r"images holds 5 images, .*labels 4 labels"):
        read_images_and_labels(tmp_path / "images", tmp_path / "labels")
