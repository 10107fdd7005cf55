# SPDX-License-Identifier: Apache-2.0
"""Does what a page says, in a new directory, and compares.

usage: run_page.py PAGE --build BUILD [--write]

  <!-- file: NAME -->       above a fenced block: the block becomes that file
  <!-- examples/NAME -->    above a fenced block: the block is that file of the tree, to the letter
  ```console                "$ COMMAND" is run, in one shell for the whole page; what follows is its
                            output, which has to be the same but for numbers (```console exact:
                            numbers too); each has to end well

The shell finds the programs of BUILD, has stores of its own, and a directory `strata` as a clone's,
with BUILD as its build/release. With --write the blocks are written anew from the tree and from what
the commands say. Exit codes: 0 all of it holds, 1 something does not, 2 wrong usage.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
END = "---end-of-a-command---"
# What differs from run to run: numbers with their units, and widths of columns.
MASKS = [
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"[0-9]+(\.[0-9]+)?"), "N"),
    (re.compile(r"\bN (ns|us|ms|s|min|h|d)\b"), "TIME"),
    (re.compile(r"\bN (B|KiB|MiB|GiB)\b"), "SIZE"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"^ | $"), ""),
    (re.compile(r"-{3,}"), "---"),
]


def masked(text):
    lines = []
    for line in text.splitlines():
        for pattern, word in MASKS:
            line = pattern.sub(word, line)
        lines.append(line)
    return lines


# What the shell says of jobs, whenever it notices.
NOTICE = re.compile(r"^(bash: line [0-9]+: |\[[0-9]+\][+-]? ).*\n", re.MULTILINE)


def session_of(process):
    try:
        stat = (pathlib.Path("/proc") / process / "stat").read_text(encoding="utf-8")
    except OSError:
        return None  # it has just ended
    return int(stat.rpartition(")")[2].split()[3])


class Shell:
    """One bash with jobs; the output of a command is what came until it had ended."""

    def __init__(self, directory, build, stores):
        environment = {
            **os.environ, "STRATA_BASE_PATH": stores, "LC_ALL": "C.UTF-8", "NO_COLOR": "1",
            "HOME": str(directory), "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{build}/bin:/usr/bin:/bin:{os.environ['PATH']}",
        }
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=directory, env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.run("set -m")

    def run(self, command):
        self.process.stdin.write(f"{command}\necho $'\\n'{END} $?\n")
        self.process.stdin.flush()
        output = ""
        while not (end := re.search(rf"\n{END} ([0-9]+)\n\Z", output)):
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"the shell ended in: {command}\n{output}")
            output += line
        return NOTICE.sub("", output[: end.start()]), int(end.group(1))

    def close(self):
        """Ends what the page has left running, too."""
        for process in filter(str.isdigit, os.listdir("/proc")):
            if session_of(process) == self.process.pid:
                os.kill(int(process), signal.SIGKILL)
        self.process.communicate()


class Page:
    def __init__(self, path, shell, directory):
        self.path, self.shell, self.directory = path, shell, directory
        self.done = 0
        self.failures = []

    def check(self, where, shown, real, exact):
        self.done += 1
        if shown != real if exact else masked(shown) != masked(real):
            self.failures.append(f"{self.path.name}: {where}\n--- the page\n{shown}--- here\n{real}")

    def session(self, body, exact):
        """The block's text as it is now."""
        fresh, command, shown = "", None, ""

        def finish():
            nonlocal fresh, shown
            if command is not None:
                real, status = self.shell.run(command)
                real = real.replace(str(self.directory), "~")
                if real and not real.endswith("\n"):
                    real += "\n"
                self.check(f"$ {command}", shown, real, exact)
                if status:
                    self.failures.append(f"{self.path.name}: $ {command}\n--- ended with {status}\n{real}")
                fresh += "$ " + command.replace("\n", "\n> ")
                fresh += "\n" + real
            shown = ""

        for line in body.splitlines():
            if line.startswith("$ "):
                finish()
                command = line[2:]
            elif line.startswith("> ") and command is not None and not shown:
                command += "\n" + line[2:]
            else:
                shown += line + "\n"
        finish()
        return fresh

    def block(self, marker, kind, body):
        if marker and marker.startswith("file: "):
            file = self.directory / marker.removeprefix("file: ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, encoding="utf-8")
            self.done += 1
        elif marker:
            real = (ROOT / marker).read_text(encoding="utf-8")
            real = re.sub(r"\A(//|#) SPDX-License-Identifier: .*\n", "", real)
            self.done += 1
            if body != real:
                self.failures.append(f"{self.path.name}: the block is not {marker}")
            return real
        elif kind in ("console", "console exact"):
            return self.session(body, kind == "console exact")
        return body

    def run(self):
        fresh, marker, kind, body = "", None, None, ""
        for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
            if kind is None:
                found = re.fullmatch(r"<!-- ((?:file: |examples/).*?) -->\n", line)
                if found:
                    marker = found.group(1)
                elif line.startswith("```"):
                    kind, body = line[3:].strip(), ""
                elif line.strip():
                    marker = None
                fresh += line
            elif line == "```\n":
                fresh += self.block(marker, kind, body) + line
                kind = marker = None
            else:
                body += line
        return fresh


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="strata-page."))
    stores = tempfile.mkdtemp(prefix="strata-page.", dir="/dev/shm")
    (directory / "strata" / "build").mkdir(parents=True)
    (directory / "strata" / "build" / "release").symlink_to(arguments.build.resolve())
    shell = Shell(directory, arguments.build.resolve(), stores)
    try:
        page = Page(arguments.page, shell, directory)
        fresh = page.run()
    finally:
        shell.close()
        shutil.rmtree(directory)
        shutil.rmtree(stores)
    if arguments.write:
        arguments.page.write_text(fresh, encoding="utf-8")
        return
    if not page.done:
        page.failures.append(f"{page.path.name}: nothing in it is to be run")
    print("\n".join(page.failures) or f"{page.path.name}: {page.done} blocks and commands hold")
    sys.exit(bool(page.failures))


main()
