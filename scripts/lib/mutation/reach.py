# SPDX-License-Identifier: Apache-2.0
"""Which test runs which lines, from one run of each that counts them. Kept until the test or the
library changes."""

import hashlib
import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutation.source import name_in_tree

_TOO_LONG = 30  # seconds; such tests look at what many small steps add up to


class Reach:
    def __init__(self, bench, folder):
        self.bench, self.folder = bench, folder
        self.lines = {}  # test -> file -> lines

    def measure(self, report):
        """Runs all tests, except those that have been run as they are. What is red is left out."""
        kept = self.folder / "reach.json"
        known = json.loads(kept.read_text()) if kept.exists() else {}
        keys = {test.name: self._key(test) for test in self.bench.tests}
        due = [
            test
            for test in self.bench.tests
            if known.get(test.name, {}).get("key") != keys[test.name]
        ]
        with ThreadPoolExecutor(self.bench.jobs) as pool:
            for test, run, lines in pool.map(self._measure_one, due):
                report(f"{test.name:24} {run.verdict:8} {run.seconds:6.1f} s")
                if run.verdict in ("red", "hung"):
                    report(f"{run.output[-2000:]}left out: red without any mutant")
                known[test.name] = {
                    "key": keys[test.name],
                    "seconds": run.seconds,
                    "lines": lines,
                }
        kept.write_text(json.dumps(known))
        for test in self.bench.tests:
            test.seconds = known[test.name]["seconds"]
            self.lines[test.name] = {
                name: set(lines) for name, lines in known[test.name]["lines"].items()
            }

    def tests_of(self, candidate):
        """The tests that run its line, the quickest first; those that take long only if there are
        no others. On error paths always the one that refuses system calls."""
        running = [
            test
            for test in sorted(self.bench.tests, key=lambda test: test.seconds)
            if candidate.line in self.lines.get(test.name, {}).get(candidate.path, ())
        ]
        quick = [
            test
            for test in running
            if test.seconds < _TOO_LONG or (test.name == "faults" and candidate.on_error_path)
        ]
        return quick or running

    def _measure_one(self, test):
        profiles = self.folder / "profiles" / test.name
        for _ in range(2):  # what fails by chance gets a second one
            shutil.rmtree(profiles, ignore_errors=True)
            profiles.mkdir(parents=True)
            profiles.chmod(0o777)  # some tests change their user
            run = self.bench.run(test, 600, f"{profiles}/%m%c.profraw")
            if run.verdict in ("green", "skipped"):
                break
        lines = self._lines_of(test, profiles) if run.verdict == "green" else {}
        shutil.rmtree(profiles, ignore_errors=True)
        return test, run, lines

    def _lines_of(self, test, profiles):
        merged = profiles / "merged"
        raw = sorted(profiles.glob("*.profraw"))
        subprocess.run(
            ["llvm-profdata", "merge", "-sparse", "--failure-mode=all", *raw, "-o", merged],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        command = ["llvm-cov", "export", "-format=lcov", f"-instr-profile={merged}"]
        command += [test.command[0]] + [f"-object={path}" for path in self.bench.library_files()]
        exported = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout.decode()
        found, current = {}, None
        for line in exported.splitlines():
            if line.startswith("SF:"):
                current = found.setdefault(name_in_tree(line[3:]), set())
            elif line.startswith("DA:") and current is not None:
                number, count = line[3:].split(",")[:2]
                if int(count) > 0:
                    current.add(int(number))
        return {
            name: sorted(lines)
            for name, lines in found.items()
            if lines and name
        }

    # What decides what a test runs: its program and the library.
    def _key(self, test):
        digest = hashlib.sha256(str(test.command).encode())
        for path in [Path(test.command[0]), *self.bench.library_files()]:
            digest.update(path.read_bytes())
        return digest.hexdigest()
