# SPDX-License-Identifier: Apache-2.0
"""What the recipes for vcpkg and Conan name is there: version, CMake options, folders, libraries."""

import ast
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FAILURES = []


def check(good, what):
    if not good:
        FAILURES.append(what)


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


project = text_of("CMakeLists.txt")
version = re.search(r"^\s*VERSION (\d+\.\d+\.\d+)$", project, re.MULTILINE).group(1)
options = set(re.findall(r"^option\((\w+)", project, re.MULTILINE)) | {"STRATA_PYTHON"}

port = json.loads(text_of("packaging/vcpkg/strata/vcpkg.json"))
check(port["version-semver"] == version, f"vcpkg.json: {port['version-semver']} is not {version}")
check(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", port["name"]), "vcpkg.json: its name")
portfile = text_of("packaging/vcpkg/strata/portfile.cmake")
named = dict(re.findall(r"^    (\w+) (STRATA_\w+)", portfile, re.MULTILINE))
check(set(named) == set(port["features"]), f"portfile: features {sorted(named)} are not the manifest's")
for dependency in port["dependencies"] + [d for f in port["features"].values() for d in f.get("dependencies", [])]:
    check(isinstance(dependency, str) or "name" in dependency, f"vcpkg.json: {dependency}")

recipe = text_of("packaging/conan/conanfile.py")
tree = ast.parse(recipe)
for where, source in (("portfile.cmake", portfile), ("conanfile.py", recipe)):
    for option in set(re.findall(r"\bSTRATA_[A-Z_]+\b", source)) - {"STRATA_SOURCE"}:
        check(option in options, f"{where}: there is no option {option}")
strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
for pattern in (s for s in strings if s.endswith("/*")):
    check((ROOT / pattern[:-2]).is_dir(), f"conanfile.py: there is no folder {pattern[:-2]}")
for folder in re.findall(r"add_subdirectory\((\w+)\)", project):
    check(folder in ("examples", "bench", "tests") or f"{folder}/*" in strings,
          f"conanfile.py: the folder {folder} is not exported")
for library in (s for s in strings if re.fullmatch(r"strata_[a-z]+", s)):
    check((ROOT / library.removeprefix("strata_") / "CMakeLists.txt").exists(),
          f"conanfile.py: there is no library {library}")

print("\n".join(FAILURES) or "the recipes name what is there")
sys.exit(bool(FAILURES))
