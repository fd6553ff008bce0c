"""Files appear whole or not at all."""

import os
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from ff2neuro.errors import FileFormatError, OutputError
from ff2neuro.files import atomic_path, hdf5_bytes, open_hdf5, read_tree, require_writable, write_bytes


def test_tree_reads_back_as_it_was():
    tree = {
        "number": 3,
        "text": "α",
        "flag": True,
        "list": ["a", "b"],
        "nothing": None,
        "array": np.arange(6.0).reshape(2, 3),
        "group": {"inner": 0.5},
    }
    import io

    with h5py.File(io.BytesIO(hdf5_bytes(tree)), "r") as file:
        back = read_tree(file)
    array = back.pop("array")
    np.testing.assert_array_equal(array, tree["array"])
    assert back == {"number": 3, "text": "α", "flag": True, "list": ["a", "b"], "group": {"inner": 0.5}}


def test_same_tree_gives_the_same_bytes():
    tree = {"array": np.arange(5000), "name": "x"}
    assert hdf5_bytes(tree) == hdf5_bytes(tree)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["open", "close", "chmod", "fsync"])
def test_interrupt_at_any_moment_leaves_the_old_file_alone(tmp_path, monkeypatch, call):
    (tmp_path / "file").write_text("old")
    real = getattr(os, call)

    def interrupted(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_bytes(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_written_files_have_ordinary_permissions(tmp_path):
    write_bytes(tmp_path / "file", b"x")
    (tmp_path / "other").write_bytes(b"x")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_existing_file_is_kept_without_force(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"exists already.*--force"):
        require_writable(path, force=False)
    require_writable(path, force=True)


def test_missing_directory_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"the directory .*missing does not exist"):
        require_writable(tmp_path / "missing" / "file", force=False)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from ff2neuro.files import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_bytes(Path(sys.argv[1]), b"x" * 100_000)
"""


def test_full_disk_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True)
    assert "OutputError" in done.stderr
    assert "free some space" in done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("content", [b"", b"not HDF5", hdf5_bytes({"a": np.arange(10000)})[:3000]])
def test_damaged_hdf5_is_named(tmp_path, content):
    path = tmp_path / "file.h5"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"thing .*file\.h5 cannot be read as HDF5"), open_hdf5(path, "thing"):
        pass


def test_missing_hdf5_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="does not exist"), open_hdf5(tmp_path / "none.h5", "thing"):
        pass


def test_missing_entry_is_reported_as_damage(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(hdf5_bytes({"a": 1}))
    with pytest.raises(FileFormatError, match="damaged or incomplete"), open_hdf5(path, "thing") as file:
        file["missing"]
