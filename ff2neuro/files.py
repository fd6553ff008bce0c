"""Writing files so that nothing half-written is ever seen, and reading HDF5 without surprises.

Every file is written beside its destination, flushed to the disk and renamed: a reader sees the old file or the new
one. No time stamp enters any file, so the same content gives the same bytes.
"""

import errno
import io
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ff2neuro.errors import FileFormatError, OutputError

__all__ = [
    "SafeFile",
    "Tree",
    "atomic_path",
    "open_hdf5",
    "read_tree",
    "require_writable",
    "write_bytes",
    "write_text",
    "write_tree",
]

#: What a tree may hold: nested mappings of numbers, strings, lists of strings, arrays and None.
Tree = Mapping[str, Any]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def require_writable(path: Path, *, force: bool) -> None:
    """Refuse to overwrite.

    Parameters
    ----------
    path : Path
        File that is about to be written.
    force : bool
        Whether the user has agreed to lose what is there.

    Raises
    ------
    OutputError
        If `path` exists and `force` is false, is a directory, or lies in a directory that does not exist or cannot be
        written.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a directory; name a file")
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; choose another name with --out, or pass --force to replace it")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the directory {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the directory {path.parent} cannot be written; choose another place")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well, and vanishes when it does not.

    Parameters
    ----------
    path : Path
        Final destination.

    Yields
    ------
    Path
        Name of an empty file in the same directory, to be written inside the block.

    Raises
    ------
    OutputError
        If the disk is full or the directory cannot be written; `path` is then as it was before.
    """
    # Named before it is made, so that an interrupt between the two leaves nothing behind.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}.part"
    try:
        try:
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}; choose another place") from error
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError(f"{path} could not be written: {os.strerror(error.errno)}; free some space") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, all of it or nothing (see `atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, all of it or nothing (see `atomic_path`)."""
    write_bytes(path, content.encode())


class SafeFile(io.RawIOBase):
    """A file for HDF5 to write to that never fails under it.

    The HDF5 library cannot recover from a full disk: it keeps retrying as objects are released and may crash the
    interpreter. So the first failure is kept here, later writes are swallowed, and whoever writes asks `check`.

    Parameters
    ----------
    path : Path
        File to write; truncated.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error that writing met, if any."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write all of `data`, or remember why not."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self._error is None and done < len(view):
                done += self._file.write(view[done:])
        except OSError as error:
            self._error = error
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, with zeros where what was to be there could not be written."""
        view = memoryview(buffer).cast("B")
        done = self._file.readinto(view) or 0
        view[done:] = bytes(len(view) - done)
        return len(view)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or remember why not."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def flush(self) -> None:
        """Do nothing: nothing is buffered here, and `atomic_path` syncs the file when it is complete."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@contextmanager
def open_hdf5(path: Path, what: str, advice: str = "write it anew") -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, turning what h5py raises into a sentence.

    Parameters
    ----------
    path : Path
        File to open.
    what : str
        What the caller expects it to be ("model file", ...), for the message.
    advice : str
        What to do about a damaged one, for the message.

    Yields
    ------
    h5py.File
        The open file.

    Raises
    ------
    FileFormatError
        If the file does not exist, is not HDF5, or is damaged, also where the damage shows only inside the block.
    """
    if not path.exists():
        raise FileFormatError(f"{what} {path} does not exist; check the path")
    if path.is_dir():
        raise FileFormatError(f"{what} {path} is a directory; name a file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FileFormatError(
            f"{what} {path} cannot be read as HDF5: it is of another kind, or damaged or truncated; {advice}"
        ) from error
    with file:
        try:
            yield file
        except (
            OSError,
            LookupError,
            ArithmeticError,
            RuntimeError,
            TypeError,
            ValueError,
            AttributeError,
            MemoryError,
        ) as error:
            if isinstance(error, (OutputError, FileFormatError)) or type(error).__module__.startswith("ff2neuro"):
                raise
            raise FileFormatError(f"{what} {path} is damaged or incomplete: {error}; {advice}") from error


def write_tree(group: h5py.Group, tree: Tree, *, compress: bool = True) -> None:
    """Write nested mappings to an HDF5 group: arrays as datasets, everything else as attributes.

    Parameters
    ----------
    group : h5py.Group
        Where to write.
    tree : Mapping
        Values may be mappings, arrays, numbers, strings, booleans, lists of strings, and None (which is left out).
    compress : bool
        Whether large arrays are packed.
    """
    for key, value in tree.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            write_tree(group.create_group(key), value, compress=compress)
        elif isinstance(value, np.ndarray):
            packing = {"compression": "gzip", "shuffle": True} if compress and value.size > 1024 else {}
            group.create_dataset(key, data=value, **packing)
        elif isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            group.create_dataset(key, data=list(value), dtype=h5py.string_dtype(), shape=(len(value),))
        else:
            group.attrs[key] = value


def read_tree(group: h5py.Group) -> dict[str, Any]:
    """Read back what `write_tree` wrote.

    Parameters
    ----------
    group : h5py.Group
        Where to read.

    Returns
    -------
    dict
        Nested dictionaries; NumPy scalars become Python numbers, arrays of strings become lists.
    """
    tree: dict[str, Any] = {}
    for key, value in group.attrs.items():
        tree[key] = value.item() if isinstance(value, np.generic) else value
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            tree[key] = read_tree(item)
        elif h5py.check_string_dtype(item.dtype):
            tree[key] = [str(text) for text in item.asstr()[()]]
        else:
            tree[key] = item[()]
    return tree


def hdf5_bytes(tree: Tree, *, compress: bool = True) -> bytes:
    """Return the HDF5 file that holds `tree`, as bytes.

    Parameters
    ----------
    tree : Mapping
        As for `write_tree`.
    compress : bool
        Whether large arrays are packed.

    Returns
    -------
    bytes
        The image of the file. Written in memory, so that a full disk cannot leave half a file or crash the HDF5
        library.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_tree(file, tree, compress=compress)
    return buffer.getvalue()


def readonly(array: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a read-only copy of `array`, in C order, so that a frozen object cannot be changed from outside."""
    copy = np.array(array, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


def _umask() -> int:
    """Return the process's umask: `mkstemp` makes private files, results should be as readable as others."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
