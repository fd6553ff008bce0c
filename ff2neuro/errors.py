"""What can go wrong, and with which exit code.

::

    FF2NeuroError                     exit code 2
    ├── ConfigurationError (ValueError)   an option or configuration that makes no sense
    ├── DatasetError       (ValueError)   images, labels or where they should come from
    ├── NetworkError       (ValueError)   a network that cannot be built, converted or exported
    ├── GraphError         (ValueError)   a NIR graph that cannot be honoured exactly
    ├── RangeError         (ValueError)   a number beyond what the arithmetic can hold
    ├── FileFormatError    (ValueError)   a file that is damaged, foreign or too new
    ├── OutputError        (OSError)      a result that cannot be written
    └── BackendError       (RuntimeError) exit code 3: a machine failed
        └── BackendMissingError           exit code 3: a machine is not installed

Each is also the built-in that a caller would expect. A message names the object, the value, the limit and what to do
next, for the command line prints it as it stands.
"""

__all__ = [
    "BackendError",
    "BackendMissingError",
    "ConfigurationError",
    "DatasetError",
    "FF2NeuroError",
    "FileFormatError",
    "GraphError",
    "NetworkError",
    "OutputError",
    "RangeError",
]


class FF2NeuroError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 2


class ConfigurationError(FF2NeuroError, ValueError):
    """An option or a configuration that makes no sense."""


class DatasetError(FF2NeuroError, ValueError):
    """Images or labels that are missing, damaged or of the wrong kind."""


class NetworkError(FF2NeuroError, ValueError):
    """A network that cannot be built, converted or exported."""


class GraphError(FF2NeuroError, ValueError):
    """A NIR graph that cannot be honoured exactly."""


class RangeError(FF2NeuroError, ValueError):
    """A number beyond what the arithmetic of the machine can hold."""


class FileFormatError(FF2NeuroError, ValueError):
    """A file that is damaged, of another kind, or written by a newer version."""


class OutputError(FF2NeuroError, OSError):
    """A result that cannot be written."""

    def __str__(self) -> str:
        # OSError formats itself from errno; ours carries its whole message.
        return str(self.args[0]) if self.args else ""


class BackendError(FF2NeuroError, RuntimeError):
    """A backend that failed, hung or died."""

    exit_code = 3


class BackendMissingError(BackendError):
    """A backend that is not installed."""
