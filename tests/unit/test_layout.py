"""The package is what is on disk, wherever it is installed."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ff2neuro

ROOT = Path(__file__).parents[2]
ROOMS = {
    "ff2neuro": ROOT / "ff2neuro",
    "ff2neuro.converters": ROOT / "converters",
    "ff2neuro.hardware": ROOT / "hardware",
}


def packages_on_disk():
    found = set()
    for name, folder in ROOMS.items():
        for init in folder.rglob("__init__.py"):
            relative = init.parent.relative_to(folder)
            if name == "ff2neuro" and relative.parts[:1] in (("converters",), ("hardware",)):
                continue
            found.add(".".join([name, *relative.parts]))
    return found


def modules_on_disk():
    modules = set()
    for name, folder in ROOMS.items():
        prefix = name.replace(".", "/")
        for module in folder.rglob("*.py"):
            relative = module.relative_to(folder)
            if name == "ff2neuro" and relative.parts[0] in ("converters", "hardware"):
                continue
            modules.add(f"{prefix}/{relative.as_posix()}")
    return modules


def test_setup_cfg_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    assert listed == packages_on_disk()


def test_rooms_at_the_top_are_linked_into_the_package():
    for room in ("converters", "hardware"):
        link = ROOT / "ff2neuro" / room
        assert link.is_symlink()
        assert link.resolve() == ROOT / room


def test_citation_names_this_version():
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {ff2neuro.__version__}" in lines


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    # A copy, so that building leaves nothing in the checkout.
    source = tmp_path_factory.mktemp("source")
    tracked = ["setup.cfg", "pyproject.toml", "README.md", "LICENSE", "ff2neuro", "converters", "hardware"]
    subprocess.run(["cp", "-r", *(ROOT / name for name in tracked), source], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_wheel_holds_every_module(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert modules_on_disk() <= names
    assert {"ff2neuro/py.typed", "ff2neuro/hardware/lava_backend/requirements.txt"} <= names


@pytest.mark.slow
def test_wheel_installs_no_other_top_level_name(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ff2neuro"}


@pytest.mark.parametrize("room", ["converters", "hardware"])
def test_rooms_refuse_the_wrong_name(room):
    done = subprocess.run([sys.executable, "-c", f"import {room}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"import ff2neuro.{room}, not {room}" in done.stderr
