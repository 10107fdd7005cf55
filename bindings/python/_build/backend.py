# SPDX-License-Identifier: Apache-2.0
"""The build backend of the Python package (PEP 517). It needs nothing but the standard library, CMake
and a compiler: the extension module is built by the project's own CMakeLists.txt.

The environment's CMAKE_ARGS are further arguments of CMake, STRATA_JOBS or CMAKE_BUILD_PARALLEL_LEVEL
how many compilers run at once; STRATA_PYTHON_PACKAGE names the package's folder in a build tree
(<build>/python/strata) to take instead of building anew.
"""

import base64
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
DISTRIBUTION = "strata"
MODULE = "_strata.abi3.so"


def project_version():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(r"^\s*VERSION (\d+\.\d+\.\d+)$", text, re.MULTILINE).group(1)


def tag():
    return "cp311-abi3-" + re.sub(r"[-.]", "_", sysconfig.get_platform())


def metadata():
    return (
        f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {project_version()}\n"
        "Summary: Versioned, read-mostly data shared between processes through mapped memory\n"
        "License: Apache-2.0\nRequires-Python: >=3.11\nPlatform: linux\n"
        "Description-Content-Type: text/markdown\n\n"
        + (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    )


def wheel_text():
    return f"Wheel-Version: 1.0\nGenerator: strata\nRoot-Is-Purelib: false\nTag: {tag()}\n"


def jobs():
    """One compiler per processor, but not more than one per 2 GiB. It is always said how many: of make
    CMake's --parallel alone would start all of them at once."""
    for name in ("STRATA_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL"):
        if os.environ.get(name):
            return os.environ[name]
    processors = len(os.sched_getaffinity(0))
    try:
        text = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
        kib = int(re.search(r"^MemAvailable: +(\d+) kB$", text, re.MULTILINE).group(1))
    except (OSError, AttributeError):
        return str(processors)
    return str(max(1, min(processors, kib // (2 << 20))))


def build_package(directory):
    """The folder of the built package, below `directory` unless there is one already."""
    built = os.environ.get("STRATA_PYTHON_PACKAGE")
    if built:
        return pathlib.Path(built)
    header = pathlib.Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        raise FileNotFoundError(f"{header}: the headers of Python are needed (on Debian python3-dev)")
    if shutil.which("cmake") is None:
        raise FileNotFoundError("cmake: needed to build strata (on Debian cmake and g++)")
    switches = ["TESTS", "TOOLS", "VOLUME", "EXAMPLES", "BENCH"]  # else their libraries are needed
    subprocess.check_call(
        ["cmake", "-S", ROOT, "-B", directory, "-DCMAKE_BUILD_TYPE=Release"]
        + [f"-DSTRATA_BUILD_{switch}=OFF" for switch in switches]
        + ["-DSTRATA_BUILD_BINDINGS=ON", "-DSTRATA_INSTALL=OFF", f"-DSTRATA_PYTHON={sys.executable}"]
        + shlex.split(os.environ.get("CMAKE_ARGS", ""))
    )
    subprocess.check_call(
        ["cmake", "--build", directory, "--target", "strata_python", "--parallel", jobs()]
    )
    return pathlib.Path(directory) / "python" / "strata"


def package_files(folder):
    names = sorted(
        path.name for path in folder.iterdir()
        if path.suffix in (".py", ".pyi", ".so") or path.name == "py.typed"
    )
    if MODULE not in names:
        raise FileNotFoundError(f"{folder / MODULE}: the extension module was not built")
    return names


def record_line(name, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = f"{DISTRIBUTION}-{project_version()}.dist-info"
    with tempfile.TemporaryDirectory() as directory:
        folder = build_package(directory)
        files = {f"strata/{name}": (folder / name).read_bytes() for name in package_files(folder)}
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/WHEEL"] = wheel_text().encode()
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = "".join(record_line(name, content) for name, content in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = f"{DISTRIBUTION}-{project_version()}-{tag()}.whl"
    path = os.path.join(wheel_directory, wheel)
    with zipfile.ZipFile(path + ".part", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # A fixed time: equal sources make equal wheels.
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    os.replace(path + ".part", path)
    return wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Without building anything, so that a resolver has its answer at once."""
    info = f"{DISTRIBUTION}-{project_version()}.dist-info"
    folder = pathlib.Path(metadata_directory) / info
    folder.mkdir()
    (folder / "METADATA").write_text(metadata(), encoding="utf-8")
    (folder / "WHEEL").write_text(wheel_text(), encoding="utf-8")
    return info


def get_requires_for_build_wheel(config_settings=None):
    return []


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("the package is built from a checkout of strata, its C++ sources included")
