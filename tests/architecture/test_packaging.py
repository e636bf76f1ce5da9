"""What is shipped: exactly our four packages, with their data, owned by our distribution alone.

The import names are generic (docs/decisions/0003), and two distributions can put files into one
folder without a word. So the appliance owns its environment, and this test says when it does not.
"""

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from conf.version import PLEXIS_VERSION
from tests.architecture.tree import PRODUCT, ROOT

DATA_SUFFIXES = {".html", ".css", ".js", ".svg", ".conf", ".toml", ".acl"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pure wheel, built offline from a copy: a build in the tree would leave its traces there."""
    copy = tmp_path_factory.mktemp("source") / "plexis"
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    for package in (*PRODUCT, "tests"):
        copytree(ROOT / package, copy / package, ignore=ignore_patterns("__pycache__", "*.so"))
    target = copy / "dist"
    built = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"),
            *("--no-deps", "--no-build-isolation", "--no-index"),
            *("--wheel-dir", str(target), str(copy)),
        ],
        env={**os.environ, "PLEXIS_PURE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = target.glob("plexis-*.whl")
    return found


def test_the_wheel_has_our_four_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PRODUCT)


def test_the_wheel_has_every_module_and_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    wanted = {
        file.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for file in (ROOT / package).rglob("*")
        if file.suffix in DATA_SUFFIXES | {".py"} or file.name == "py.typed"
    }
    assert wanted - shipped == set()


@pytest.mark.parametrize("package", PRODUCT)
def test_our_distribution_is_the_only_owner_of_a_package(package: str) -> None:
    owners = set(packages_distributions().get(package, []))
    assert owners == {"plexis"}, (
        f"{package} belongs to {sorted(owners) or 'nobody'}: run `make build`, and in an "
        "environment of its own"
    )


@pytest.mark.parametrize("package", PRODUCT)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_server_names_the_version_of_its_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == PLEXIS_VERSION


def test_a_console_script_names_a_function_that_exists() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert sorted(scripts) == ["plexis", "plexis-server"]
    for target in scripts.values():
        module, function = target.split(":")
        source = ROOT / (module.replace(".", "/") + ".py")
        assert f"def {function}(" in source.read_text(encoding="utf-8"), target
