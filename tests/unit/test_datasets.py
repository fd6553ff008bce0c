"""The dataset type, the named datasets and where their files are looked for."""

import gzip
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ff2neuro.data import DATASET_NAMES, Dataset, load_dataset
from ff2neuro.errors import DatasetError

#: Read before any test hides it.
MNIST_DIRECTORY = os.environ.get("FF2NEURO_DATA_DIR")

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def make(**changes) -> Dataset:
    fields = {
        "name": "own",
        "x_train": np.linspace(0, 1, 24).reshape(4, 6),
        "y_train": np.array([0, 1, 2, 0]),
        "x_test": np.zeros((2, 6)),
        "y_test": np.array([2, 1]),
        "image_shape": (2, 3),
        "n_classes": 3,
    }
    return Dataset(**{**fields, **changes})


def write_idx_files(directory: Path, seed: int = 0, compress: bool = True) -> None:
    directory.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in FILES:
        count = 20 if name.startswith("train") else 10
        shape = (count, 4, 4) if "images" in name else (count,)
        values = rng.integers(0, 256 if "images" in name else 10, shape, dtype=np.uint8)
        content = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + values.tobytes()
        path = directory / (f"{name}.gz" if compress else name)
        path.write_bytes(gzip.compress(content) if compress else content)


@pytest.fixture(autouse=True)
def _no_other_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FF2NEURO_DATA_DIR", raising=False)
    monkeypatch.setenv("FF2NEURO_CACHE_DIR", str(tmp_path / "cache"))


def test_dataset_holds_float32_pixels_and_int64_labels_that_cannot_be_changed():
    data = make()
    assert (data.x_train.dtype, data.y_train.dtype) == (np.float32, np.int64)
    assert data.n_pixels == 6
    with pytest.raises(ValueError, match="read-only"):
        data.x_train[0, 0] = 1


def test_split_returns_images_and_labels_and_refuses_other_names():
    data = make()
    x, y = data.split("test")
    assert x is data.x_test
    assert y is data.y_test
    assert data.split("train")[0] is data.x_train
    with pytest.raises(DatasetError, match="no split 'validation'; choose train or test"):
        data.split("validation")  # type: ignore[arg-type]


def test_checksum_depends_on_every_array_and_on_nothing_else():
    checksum = make().checksum
    assert len(checksum) == 64
    assert make(name="other", x_train=np.linspace(0, 1, 24, dtype=np.float64).reshape(4, 6)).checksum == checksum
    changed = [
        make(x_train=np.zeros((4, 6))),
        make(y_train=np.array([0, 1, 2, 1])),
        make(x_test=np.ones((2, 6))),
        make(y_test=np.array([2, 2])),
    ]
    assert len({checksum, *(data.checksum for data in changed)}) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_classes": 1}, "own: 1 classes; at least 2"),
        ({"x_train": np.full((4, 6), np.nan)}, "x_train holds NaN or infinite pixels"),
        ({"x_test": np.full((2, 6), -np.inf)}, "x_test holds NaN or infinite pixels"),
        ({"x_test": np.full((2, 6), 255)}, r"x_test holds pixels from 255 to 255; scale them to \[0, 1\]"),
        ({"x_test": np.full((2, 6), -0.1)}, "x_test holds pixels from -0.1 to -0.1"),
        ({"x_train": np.full((4, 6), "a")}, "x_train holds <U1 values; pixels must be numbers"),
        ({"x_train": np.zeros((4, 2, 3))}, r"x_train has shape \(4, 2, 3\); it must be \(image, pixel\)"),
        ({"x_train": np.zeros((0, 6))}, r"x_train has shape \(0, 6\)"),
        ({"x_test": np.zeros((2, 7))}, r"x_test have 7 pixels, an image of shape \(2, 3\) has 6"),
        ({"y_train": np.array([0, 1])}, "x_train holds 4 images, y_train 2 labels"),
        ({"y_train": np.array([[0, 1, 2, 0]])}, r"y_train has shape \(1, 4\)"),
        ({"y_train": np.array([0, 1, 2, 3])}, "labels from 0 to 3; with 3 classes they must lie from 0 to 2"),
        ({"y_test": np.array([-1, 0])}, "y_test holds labels from -1 to 0"),
        ({"y_test": np.array([0.0, 1.0])}, "y_test holds float64 values; labels must be integers from 0 to 2"),
    ],
)
def test_unsound_dataset_is_refused(changes, message):
    with pytest.raises(DatasetError, match=message):
        make(**changes)


def test_one_class_alone_in_training_is_allowed():
    assert make(y_train=np.zeros(4, dtype=int)).n_classes == 3


def test_digits_have_a_fixed_stratified_split():
    data = load_dataset("digits")
    assert (data.x_train.shape, data.x_test.shape, data.image_shape) == ((1437, 64), (360, 64), (8, 8))
    assert data.x_train.max() == 1
    assert set(np.bincount(data.y_test)) <= {35, 36, 37}
    assert load_dataset("digits").checksum == data.checksum


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mnits", "did you mean mnist"), ("Fashion_MNIST", "did you mean fashion-mnist"), ("imagenet", "Known: digits")],
)
def test_unknown_dataset_is_refused_with_the_nearest_name_and_the_list(name, hint):
    with pytest.raises(DatasetError, match=f"unknown dataset '{name}'.*{hint}") as raised:
        load_dataset(name)
    assert ", ".join(DATASET_NAMES) in str(raised.value)


@pytest.mark.parametrize("compress", [True, False], ids=["gz", "unpacked"])
@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "fashion-mnist"),
        ("kmnist", "KMNIST/raw"),
    ],
)
def test_files_are_found_in_both_layouts(tmp_path: Path, name, layout, compress):
    write_idx_files(tmp_path / "data" / layout, compress=compress)
    data = load_dataset(name, tmp_path / "data", download=False)
    assert (data.name, data.image_shape, data.n_classes) == (name, (4, 4), 10)
    assert (len(data.x_train), len(data.x_test)) == (20, 10)
    assert 0.9 < data.x_train.max() <= 1


def test_data_dir_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_idx_files(tmp_path / "first/mnist", seed=1)
    write_idx_files(tmp_path / "second/mnist", seed=2)
    monkeypatch.setenv("FF2NEURO_DATA_DIR", str(tmp_path / "second"))
    second = load_dataset("mnist", download=False)
    first = load_dataset("mnist", tmp_path / "first", download=False)
    assert first.checksum != second.checksum
    (tmp_path / "empty").mkdir()
    assert load_dataset("mnist", tmp_path / "empty", download=False).checksum == second.checksum


def test_complete_layout_is_taken_beside_an_incomplete_one(tmp_path: Path):
    write_idx_files(tmp_path / "mnist")
    (tmp_path / "mnist/t10k-images-idx3-ubyte.gz").unlink()
    write_idx_files(tmp_path / "MNIST/raw", seed=3)
    assert len(load_dataset("mnist", tmp_path, download=False).x_test) == 10


def test_incomplete_directory_is_refused_naming_what_is_missing(tmp_path: Path):
    write_idx_files(tmp_path / "kmnist")
    (tmp_path / "kmnist/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match=r"kmnist holds only .* t10k-labels-idx1-ubyte.gz missing") as raised:
        load_dataset("kmnist", tmp_path)
    assert "train-images" not in str(raised.value)


def test_files_of_different_splits_are_refused_naming_both(tmp_path: Path):
    write_idx_files(tmp_path / "mnist")
    shutil.copy(tmp_path / "mnist/t10k-labels-idx1-ubyte.gz", tmp_path / "mnist/train-labels-idx1-ubyte.gz")
    with pytest.raises(DatasetError, match=r"train-images.* holds 20 images, .*train-labels.* 10 labels"):
        load_dataset("mnist", tmp_path)


def test_data_found_nowhere_are_refused_with_the_places_looked_in(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"files of mnist are not in .*mnist, .*MNIST/raw, .*cache/mnist; put them"):
        load_dataset("mnist", tmp_path, download=False)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("place", ["--data-dir", "FF2NEURO_DATA_DIR"])
def test_directory_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place):
    absent = tmp_path / "absent"
    if place == "FF2NEURO_DATA_DIR":
        monkeypatch.setenv(place, str(absent))
    with pytest.raises(DatasetError, match=f"{place} names .*absent, which is not a directory"):
        load_dataset("mnist", absent if place == "--data-dir" else None)


def test_importing_the_room_loads_neither_scikit_learn_nor_a_downloader():
    code = "import sys, ff2neuro.data; print({'sklearn', 'pooch', 'requests', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.mnist
def test_original_mnist_files_load():
    directory = MNIST_DIRECTORY
    if directory is None or not any((Path(directory) / layout).is_dir() for layout in ("mnist", "MNIST/raw")):
        pytest.skip("FF2NEURO_DATA_DIR holds no MNIST files")
    data = load_dataset("mnist", Path(directory), download=False)
    assert (data.x_train.shape, data.x_test.shape, data.image_shape) == ((60000, 784), (10000, 784), (28, 28))
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    # Mean and standard deviation that the field normalises MNIST with.
    assert data.x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert data.x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
