# SPDX-License-Identifier: Apache-2.0
"""A copy of the tree and its build: the library as shared objects, so that a mutant costs one
compilation and one link. Test programs run in name spaces of their own where that is possible:
whatever a mutant leaves, processes, files or memory, goes with them."""

import filecmp
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from mutation.source import FOLDERS, folder_of

# Long, or about the tree and its packages: nothing that a single mutant is worth.
_LEFT_OUT_LABELS = {"tree", "package"}
_LEFT_OUT_TESTS = {"torture", "restarts"}


@dataclass
class Test:
    name: str
    command: list
    environment: dict
    target: str
    seconds: float = 0.0


@dataclass
class Run:
    verdict: str  # green, red, hung, or skipped
    seconds: float
    output: str


class Workbench:
    def __init__(self, root, copy, build, jobs):
        self.root, self.copy, self.build, self.jobs = root, copy, build, jobs
        self._building = threading.Lock()
        self._isolation = self._find_isolation()
        self._running = set()
        self.tests = []

    # ---- the copy ------------------------------------------------------------------------------
    def refresh(self):
        """The tree's own text wherever the copy differs; what changed gets a new time stamp."""
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout.decode()
        wanted = {name for name in names.split("\0") if name and (self.root / name).is_file()}
        for name in wanted:
            copied = self.copy / name
            if not copied.exists() or not filecmp.cmp(self.root / name, copied, shallow=False):
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, copied)
                os.utime(copied)
        for path in self.copy.rglob("*"):
            if path.is_file() and str(path.relative_to(self.copy)) not in wanted:
                path.unlink()

    def write(self, name, text):
        (self.copy / name).write_text(text)

    # ---- the build -----------------------------------------------------------------------------
    def configure(self):
        """Clang, for its counters of lines (reach.py)."""
        # The counters are in files that are mapped: also a process that is killed leaves them.
        flags = "-O1 -mllvm -runtime-counter-relocation -Wno-unused-command-line-argument"
        flags += " -D_GLIBCXX_ASSERTIONS"  # an index beyond the end is noticed
        arguments = {
            "CMAKE_CXX_COMPILER": "clang++",
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_CXX_FLAGS_RELEASE": flags,
            "CMAKE_LINK_DEPENDS_NO_SHARED": "ON",
            "CMAKE_SUPPRESS_REGENERATION": "ON",  # the list of crash points hangs on the sources
            "BUILD_SHARED_LIBS": "ON",
            "STRATA_COVERAGE": "ON",
            "STRATA_INSTALL": "OFF",
            "STRATA_BUILD_TOOLS": "OFF",
            "STRATA_BUILD_VOLUME": "ON",
            "STRATA_PRECOMPILE_HEADERS": "ON",
            "STRATA_TEST_OPTIMIZATION": "-O0",
            "STRATA_BUILD_EXAMPLES": "OFF",
        }
        if shutil.which("ld.lld"):
            for kind in ("EXE", "SHARED"):
                arguments[f"CMAKE_{kind}_LINKER_FLAGS"] = "-fuse-ld=lld"
        # No compiler cache: it is not reliable with precompiled headers, and no mutant comes twice.
        arguments["CMAKE_CXX_COMPILER_LAUNCHER"] = ""
        command = ["cmake", "-S", self.copy, "-B", self.build, "-G", "Ninja"]
        command += [f"-D{key}={value}" for key, value in arguments.items()]
        self._log(command, check=True)

    def make(self, *targets):
        """Whether that went well."""
        with self._building:
            jobs = ["ninja", "-C", self.build, f"-j{self.jobs}", *targets]
            return self._log(jobs) == 0

    def test_targets(self):
        """The programs of the tests, with what they start; no torture."""
        listed = subprocess.run(
            ["ninja", "-C", self.build, "-t", "targets", "all"],
            check=True,
            stdout=subprocess.PIPE,
        )
        names = {line.split(":")[0] for line in listed.stdout.decode().splitlines()}
        others = {"faults", "strata_process_helper"} & names
        return sorted(others | {name for name in names if name.startswith("strata_test_")})

    def objects_of(self, name):
        """What a source is compiled to; nothing for a header."""
        folder = folder_of(name)
        if not name.endswith(".cpp"):
            return []
        target = "strata_c_objects" if folder == "bindings/c" else f"strata_{folder}"
        return [f"{folder}/CMakeFiles/{target}.dir/{name[len(folder) + 1 :]}.o"]

    def libraries(self):
        """As targets."""
        return [f"strata_{folder.rsplit('/', 1)[-1]}" for folder in FOLDERS]

    def library_files(self):
        names = {"bindings/c": "libstrata.so"}
        return [
            self.build / folder / names.get(folder, f"libstrata_{folder}.so") for folder in FOLDERS
        ]

    def code_of(self, name):
        """What the compiler made of a source, without the counters' tables (these know columns)."""
        stripped = self.build / "stripped.o"
        for path in self.objects_of(name):
            tables = ["covmap", "covfun", "prf_names", "prf_data"]
            sections = [f"__llvm_{table}" for table in tables] + [".rela__llvm_prf_data"]
            command = ["objcopy", *(f"--remove-section={section}" for section in sections)]
            done = subprocess.run(
                [*command, self.build / path, stripped], stderr=subprocess.DEVNULL, check=False
            )
            return stripped.read_bytes() if done.returncode == 0 else None
        return None

    def _log(self, command, check=False):
        with open(self.build.parent / "log", "w", encoding="utf-8") as log:
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        if check and code != 0:
            raise SystemExit(f"error: {command[0]} failed: see {self.build.parent / 'log'}")
        return code

    # ---- the tests -----------------------------------------------------------------------------
    def list_tests(self):
        """Once they are built: ctest does not say what it cannot find."""
        listed = subprocess.run(
            ["ctest", "--test-dir", self.build, "--show-only=json-v1"],
            check=True,
            stdout=subprocess.PIPE,
        )
        for entry in json.loads(listed.stdout)["tests"]:
            command = entry.get("command", [])
            labels, environment = set(), {}
            for item in entry.get("properties", []):
                if item["name"] == "LABELS":
                    labels = set(item["value"])
                if item["name"] == "ENVIRONMENT":
                    environment = dict(pair.split("=", 1) for pair in item["value"])
            ours = command and Path(command[0]).parent == self.build / "tests/bin"
            if not ours or labels & _LEFT_OUT_LABELS or entry["name"] in _LEFT_OUT_TESTS:
                continue
            program = Path(command[0]).name
            target = program
            if program.endswith("_test"):
                target = "strata_test_" + program[: -len("_test")]
                command = [*command, "-aa=1"]  # ends at the first failure
            self.tests.append(Test(entry["name"], command, environment, target))

    def run(self, test, seconds, profile="/dev/null"):
        environment = {**os.environ, **test.environment, "LLVM_PROFILE_FILE": profile}
        start = time.monotonic()
        with subprocess.Popen(
            [*self._isolation, *test.command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=self.build,
        ) as process:
            self._running.add(process)
            try:
                output, _ = process.communicate(timeout=seconds)
                verdict = {0: "green", 77: "skipped"}.get(process.returncode, "red")
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                verdict = "hung"
            self._running.discard(process)
        return Run(verdict, time.monotonic() - start, output.decode(errors="replace"))

    def stop_running(self):
        for process in list(self._running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

    # A memory file system of its own bounds what a mutant can take, and goes with it.
    @staticmethod
    def _find_isolation():
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        script = 'mount -t tmpfs -o size=3g tmpfs /dev/shm && exec "$@"'
        command = [*spaces, "sh", "-c", script, "sh"]
        try:
            done = subprocess.run(
                [*command, "true"], capture_output=True, check=False, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError:
            return []
        return command if done.returncode == 0 else []
