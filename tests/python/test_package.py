# SPDX-License-Identifier: Apache-2.0
"""The stubs name what there is, and the wheel works."""

import ast
import functools
import importlib
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest
import strata

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(strata.__file__).parent


def members(node):
    names = set()
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(item.name)
        elif isinstance(item, ast.AnnAssign):
            names.add(item.target.id)
        elif isinstance(item, ast.Assign):
            names.update(target.id for target in item.targets)
    return names


def test_the_stubs_name_what_there_is():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    classes = {node.name: members(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(classes) | functions == set(strata.__all__)
    set_on_instances = {"Error": classes["Error"], "Consumer": {"name", "base_path"}}
    set_on_instances["Type"] = {"alignment", "array_tag", "dtype", "name", "tag"}
    for name, stubs in classes.items():
        real = {m for kind in getattr(strata, name).__mro__[:2] for m in vars(kind)}
        missing = stubs - real - set_on_instances.get(name, set()) - {"__init__"}
        assert not missing, (name, missing)
        if name in ("WaitResult", "Bookmark", "Change", "DimensionChange", "Error"):
            continue
        public = {m for m in real if not m.startswith("_")}
        assert not public - stubs, (name, public - stubs)
    assert (PACKAGE / "py.typed").exists()


@pytest.fixture
def backend(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bindings" / "python" / "_build")
    for name in ("STRATA_PYTHON_PACKAGE", "STRATA_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    yield importlib.import_module("backend")
    sys.modules.pop("backend")


def test_no_more_compilers_run_than_there_are_processors(backend, monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(backend.subprocess, "check_call", commands.append)
    backend.build_package(tmp_path)
    _, at_once = commands[-1][commands[-1].index("--parallel"):]
    assert 1 <= int(at_once) <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("STRATA_JOBS", "3")
    backend.build_package(tmp_path)
    assert commands[-1][-2:] == ["--parallel", "3"]


def test_a_wheel_is_built_and_used_without_network(tmp_path, base, publish):
    publish(1, 1, b"from a wheel")
    environment = {**os.environ, "STRATA_PYTHON_PACKAGE": str(PACKAGE)}
    source = ROOT / "bindings" / "python"
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import backend; print(backend.build_wheel(sys.argv[2]))"
    name = subprocess.run(
        [sys.executable, "-c", code, source / "_build", tmp_path],
        env=environment, check=True, capture_output=True, text=True,
    ).stdout.strip()
    assert name.startswith(f"strata-{strata.__version__}-cp311-abi3-linux_")
    with zipfile.ZipFile(tmp_path / name) as wheel:
        assert wheel.testzip() is None
        record = wheel.read(f"strata-{strata.__version__}.dist-info/RECORD").decode()
        assert sorted(line.split(",")[0] for line in record.splitlines()) == sorted(wheel.namelist())
        wheel.extractall(tmp_path / "site")
    code = (
        "import strata, sys; print(strata.__file__);"
        "print(strata.Consumer('store', sys.argv[1]).snapshot()[1, 1].text())"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, base],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    assert output == [str(tmp_path / "site" / "strata" / "__init__.py"), "from a wheel"]


def test_pip_installs_it_in_an_empty_environment_without_network(tmp_path, base, publish):
    pytest.importorskip("pip")
    pytest.importorskip("venv")
    publish(1, 1, b"from pip")
    place = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = place / "bin" / "python"
    # Nothing of the caller's: no PYTHONPATH, no index, no cache, no configuration of pip's. What the
    # tests run with is taken instead of building it once more.
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull,
        "STRATA_PYTHON_PACKAGE": str(PACKAGE),
    }
    run = functools.partial(subprocess.run, env=environment, check=True, capture_output=True, text=True)
    run([sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check",
         "--no-cache-dir", "install", "--no-index", ROOT])
    code = (
        "import importlib.metadata, strata, sys;"
        "print(strata.__file__, importlib.metadata.version('strata'));"
        "print(strata.Consumer('store', sys.argv[1]).snapshot()[1, 1].text())"
    )
    site, text = run([python, "-c", code, base]).stdout.splitlines()
    assert site.startswith(str(place)) and site.endswith(" " + strata.__version__)
    assert text == "from pip"
    run([sys.executable, "-m", "pip", "--python", python, "uninstall", "--yes", "strata"])
    assert subprocess.run([python, "-c", "import strata"], env=environment, capture_output=True).returncode
    assert not list(place.glob("lib/python3.*/site-packages/*"))
