"""Run the readers on every graph, print what they did, and write the tables of docs/portability.md.

Usage: ``python -m benchmarks.conformance [--write] [READER=PYTHON ...]``, with the Python of its own environment for a
reader whose requirements clash with ours. Exits with 1 where a reader did not do what is stated.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nir
import numpy as np

from benchmarks.conformance.cases import CASES, Case, events_for
from benchmarks.conformance.observation import Observation, observe, reference_spikes
from benchmarks.conformance.readers import READERS
from benchmarks.conformance.table import DOCUMENT, with_tables
from ff2neuro.hardware.portability import statement

ELSEWHERE = Path(__file__).with_name("elsewhere.py")


def main(arguments: list[str]) -> int:
    wrong = 0
    for reader in READERS:
        wrong += sum(_report(reader, case, observe(case, reader), exact=True) for case in CASES)
    for argument in arguments:
        if "=" in argument:
            reader, python = argument.split("=", 1)
            seen = _observe_elsewhere(reader, python)
            # Seen through its last layer only, so only whether its spikes are the same is compared.
            wrong += sum(_report(reader, case, each, exact=False) for case, each in zip(CASES, seen, strict=True))
    if "--write" in arguments:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{wrong} statements of {len(CASES)} graphs were wrong")
    return 1 if wrong else 0


def _report(reader: str, case: Case, seen: Observation, *, exact: bool) -> bool:
    """Print a line and return whether the statement about it was wrong."""
    stated = statement(reader, case.stored(), case.config)
    right = seen.status == stated.status if exact else (seen.status == "same") == (stated.status == "same")
    detail = seen.error.splitlines()[0] if seen.error else f"{seen.n_different} of {seen.n_bins} bins differ"
    print(f"{reader:13} {case.name:45} {seen.status:8} {detail}{'' if right else f'   STATED: {stated.status}'}")
    return not right


def _observe_elsewhere(reader: str, python: str) -> list[Observation]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, case in enumerate(CASES):
            path = folder / f"{index:03d}.nir"
            nir.write(path, case.graph)
            np.save(path.with_suffix(".npy"), events_for(case.graph).astype(np.float32))
            path.with_suffix(".dt").write_text(str(case.dt), encoding="utf-8")
        subprocess.run([python, ELSEWHERE, reader, folder], check=True, stderr=subprocess.DEVNULL)
        return [_read(folder / f"{index:03d}.nir", case) for index, case in enumerate(CASES)]


def _read(path: Path, case: Case) -> Observation:
    failure = path.with_suffix(".error")
    if failure.exists():
        return Observation("fails", error=failure.read_text(encoding="utf-8"))
    expected = list(reference_spikes(case).values())[-1]
    found = np.load(path.with_suffix(".spikes.npy"))
    different = int((found != expected).sum()) if found.shape == expected.shape else expected.size
    return Observation("differs" if different else "same", different, expected.size)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
