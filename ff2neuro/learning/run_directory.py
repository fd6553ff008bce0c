"""The directory that holds a training run: configuration, metrics, checkpoint while training, model at the end."""

from collections.abc import Sequence
from pathlib import Path

from ff2neuro.errors import FileFormatError, OutputError
from ff2neuro.files import write_text
from ff2neuro.learning.curve import learning_curve
from ff2neuro.learning.hebbian.state import HebbianState
from ff2neuro.learning.state import TrainingState, load_checkpoint, save_checkpoint
from ff2neuro.networks import AnalogNetwork, SpikingNetwork, save_model

__all__ = ["RunDirectory"]

#: First line of our configuration files, by which a directory of ours is told from others.
MARKER = "# Configuration of a training run of ff2neuro."


class RunDirectory:
    """Files of one training run. Only our own files are ever replaced or removed.

    Parameters
    ----------
    path : Path
        The directory; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.model = path / "model.h5"
        self.metrics = path / "metrics.jsonl"
        self.curve = path / "learning-curve.svg"
        self.checkpoint = path / "checkpoint.h5"

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that a run may hold."""
        return (self.config, self.model, self.metrics, self.curve, self.checkpoint)

    def require_free(self, *, force: bool) -> None:
        """Refuse a place where a new run must not go.

        Parameters
        ----------
        force : bool
            Whether the user has agreed to lose an earlier run of ours.

        Raises
        ------
        OutputError
            If the path is a file, its parent does not exist, it holds another run and `force` is false, or it holds
            files that are not ours.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file; name a directory with --out")
        if not self.path.parent.is_dir():
            raise OutputError(f"{self.path}: the directory {self.path.parent} does not exist; create it first")
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        if self._is_ours():
            if not force and (self.model.exists() or self.checkpoint.exists()):
                raise OutputError(f"{self.path} holds {self._describe()}, or choose another place with --out")
            return
        foreign = [file.name for file in self.files if file.exists()]
        if foreign:
            raise OutputError(
                f"{self.path} is no run of ff2neuro, yet holds {', '.join(foreign)}, which would be overwritten; "
                "choose another place with --out"
            )
        if not force:
            raise OutputError(
                f"{self.path} exists, is not empty and is no run of ff2neuro; choose another place with --out, or "
                "pass --force to write beside what is there"
            )

    def begin(self, state: TrainingState | HebbianState) -> None:
        """Make the directory, remove what an earlier run of ours left, and write configuration and checkpoint.

        Parameters
        ----------
        state : TrainingState or HebbianState
            State before the first epoch.

        Raises
        ------
        OutputError
            If the directory or a file cannot be written.
        """
        try:
            self.path.mkdir(exist_ok=True)
            for file in (self.model, self.metrics, self.curve, self.checkpoint):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}; choose another place") from error
        self._remove_remnants()
        write_text(self.config, f"{MARKER}\n{state.config.to_toml()}")
        save_checkpoint(state, self.checkpoint)

    def save_progress(self, state: TrainingState | HebbianState) -> None:
        """Write the checkpoint and the metrics after an epoch.

        Parameters
        ----------
        state : TrainingState or HebbianState
            State of training.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        save_checkpoint(state, self.checkpoint)
        self._write_metrics(state.metrics)

    def finish(self, network: AnalogNetwork | SpikingNetwork, metrics: Sequence[str]) -> None:
        """Write learning curve and model, then remove the checkpoint.

        Parameters
        ----------
        network : AnalogNetwork or SpikingNetwork
            The trained network.
        metrics : sequence of str
            One JSON object per epoch.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        self._write_metrics(metrics)
        write_text(self.curve, learning_curve(metrics))
        save_model(network, self.model)
        self.checkpoint.unlink(missing_ok=True)
        self._remove_remnants()

    def discard(self) -> None:
        """Remove our files, and the directory if nothing else is in it."""
        self._remove_remnants()
        for file in self.files:
            file.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def load_state(self) -> TrainingState | HebbianState:
        """Return where an interrupted run stands.

        Returns
        -------
        TrainingState or HebbianState
            What the checkpoint holds.

        Raises
        ------
        OutputError
            If there is no interrupted run here.
        FileFormatError
            If the checkpoint is damaged, or of another kind.
        """
        if not self.path.is_dir():
            raise OutputError(f"run directory {self.path} does not exist, so nothing can be resumed; omit --resume")
        if self.model.exists() and not self.checkpoint.exists():
            raise OutputError(f"{self.path} holds a finished run; there is nothing to resume")
        if not self.checkpoint.exists():
            raise OutputError(f"{self.path} holds no checkpoint.h5, so nothing can be resumed; omit --resume")
        return load_checkpoint(self.checkpoint)

    def _remove_remnants(self) -> None:
        """Remove temporary files of a process that was killed while it wrote."""
        for file in self.files:
            for remnant in self.path.glob(f".{file.name}.*.part"):
                remnant.unlink(missing_ok=True)

    def _write_metrics(self, metrics: Sequence[str]) -> None:
        write_text(self.metrics, "".join(f"{line}\n" for line in metrics))

    def _is_ours(self) -> bool:
        try:
            with self.config.open(encoding="utf-8") as file:
                return file.readline().rstrip("\n") == MARKER
        except (OSError, UnicodeDecodeError):
            return False

    def _describe(self) -> str:
        """Say what run is here and what can be done about it."""
        if self.model.exists():
            return "a finished run; pass --force to replace it"
        try:
            state = load_checkpoint(self.checkpoint)
        except FileFormatError as error:
            return f"an interrupted run that cannot be resumed ({error}); pass --force to replace it"
        return (
            f"a run that was interrupted after epoch {state.epoch} of {state.config.epochs}; go on with --resume, "
            "start anew with --force"
        )
