"""The datasets that have a name, and where their files are found."""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ff2neuro.data.dataset import Dataset
from ff2neuro.data.download import cache_directory, fetch, is_intact
from ff2neuro.data.idx import read_images_and_labels
from ff2neuro.errors import DatasetError

__all__ = ["DATASET_NAMES", "load_dataset"]

DATA_VARIABLE = "FF2NEURO_DATA_DIR"


@dataclass(frozen=True)
class _IdxSource:
    """Where the four gzipped IDX files of a dataset come from."""

    torchvision_name: str
    mirrors: tuple[str, ...]
    checksums: dict[str, str]


_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _checksums(*sha256: str) -> dict[str, str]:
    return dict(zip(_FILES, sha256, strict=True))


#: SHA-256 of the files as their authors published them: torchvision, prototype/datasets/_builtin/mnist.py.
_SOURCES = {
    "mnist": _IdxSource(
        "MNIST",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        _checksums(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    "fashion-mnist": _IdxSource(
        "FashionMNIST",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        _checksums(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    # One host, with and without TLS: it is the only place known to hold these very files.
    "kmnist": _IdxSource(
        "KMNIST",
        ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
        _checksums(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ),
}

#: Names that `load_dataset` knows.
DATASET_NAMES = ("digits", *_SOURCES)


def load_dataset(name: str, data_dir: Path | None = None, download: bool = True) -> Dataset:
    """Load a dataset by name.

    Parameters
    ----------
    name : {"digits", "mnist", "fashion-mnist", "kmnist"}
        Which. ``digits`` ships with scikit-learn (8 x 8 pixels; a fixed stratified fifth of it is the test split).
    data_dir : Path, optional
        Directory to look in first; then come the one that ``FF2NEURO_DATA_DIR`` names and the cache of downloads. The
        IDX files lie in ``<data_dir>/<name>/``, or as torchvision puts them (``<data_dir>/MNIST/raw/``), gzipped or
        not.
    download : bool
        Whether to download files that are found nowhere, once, into the cache (``FF2NEURO_CACHE_DIR``).

    Returns
    -------
    Dataset
        The data, pixels scaled to [0, 1].

    Raises
    ------
    DatasetError
        If the name is unknown, a directory does not exist or holds only some of the files, a file is damaged, or
        nothing is found and downloading fails or is not wanted.
    OutputError
        If the cache cannot be written.
    """
    if name == "digits":
        return _load_digits()
    if name not in _SOURCES:
        near = difflib.get_close_matches(name.lower(), DATASET_NAMES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DatasetError(
            f"unknown dataset {name!r}; {hint}Known: {', '.join(DATASET_NAMES)}; own data: --data FILE.npz"
        )
    return _load_idx(name, _find_files(name, _SOURCES[name], data_dir, download))


def _load_digits() -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    pixels = digits.data / 16  # its pixels count the dark ones of 4 x 4 fields
    x_train, x_test, y_train, y_test = train_test_split(
        pixels, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    return Dataset("digits", x_train, y_train, x_test, y_test, image_shape=(8, 8), n_classes=10)


def _load_idx(name: str, paths: dict[str, Path]) -> Dataset:
    x_train, y_train = read_images_and_labels(paths[_FILES[0]], paths[_FILES[1]])
    x_test, y_test = read_images_and_labels(paths[_FILES[2]], paths[_FILES[3]])
    return Dataset(
        name,
        x_train.reshape(len(x_train), -1).astype(np.float32) / np.float32(255),
        y_train.astype(np.int64),
        x_test.reshape(len(x_test), -1).astype(np.float32) / np.float32(255),
        y_test.astype(np.int64),
        image_shape=x_train.shape[1:],
        n_classes=10,
    )


def _find_files(name: str, source: _IdxSource, data_dir: Path | None, download: bool) -> dict[str, Path]:
    looked_in: list[Path] = []
    for origin, base in _data_directories(data_dir):
        if not base.is_dir():
            raise DatasetError(f"{origin} names {base}, which is not a directory; correct or drop it")
        layouts = (base / name, base / source.torchvision_name / "raw")
        looked_in += layouts
        found = _find_in(name, layouts)
        if found:
            return found
    cache = cache_directory() / name
    if download:
        return fetch(name, source.checksums, source.mirrors, cache)
    if all(is_intact(cache / filename, sha256) for filename, sha256 in source.checksums.items()):
        return {filename: cache / filename for filename in _FILES}
    places = ", ".join(map(str, (*looked_in, cache)))
    raise DatasetError(
        f"the files of {name} are not in {places}; put them there, name another directory with --data-dir or "
        f"{DATA_VARIABLE}, or allow the download"
    )


def _data_directories(data_dir: Path | None) -> Iterator[tuple[str, Path]]:
    if data_dir is not None:
        yield "--data-dir", data_dir
    chosen = os.environ.get(DATA_VARIABLE)
    if chosen:
        yield DATA_VARIABLE, Path(chosen).expanduser()


def _find_in(name: str, layouts: tuple[Path, ...]) -> dict[str, Path] | None:
    """Return the four files of the first complete layout; a layout that has only some is an error if none has all."""
    incomplete = ""
    for directory in layouts:
        present: dict[str, Path] = {}
        for filename in _FILES:
            for path in (directory / filename, directory / filename.removesuffix(".gz")):
                if path.is_file():
                    present.setdefault(filename, path)
        if len(present) == len(_FILES):
            return present
        if present and not incomplete:
            missing = ", ".join(filename for filename in _FILES if filename not in present)
            incomplete = (
                f"{directory} holds only some files of {name}, {missing} missing: add what is missing, gzipped or not"
            )
    if incomplete:
        raise DatasetError(incomplete)
    return None
