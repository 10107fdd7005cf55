# SPDX-License-Identifier: Apache-2.0
"""Who reads a public header finds its source by name: what H.hpp declares is defined in H.cpp or
H_*.cpp, in whatever folder of the library (in volume/ without the `volume_` that the folder says
already). The rules are tested on small trees, then the project's own tree is held to them."""

import pathlib
import re
import sys
import tempfile
import unittest

FOLDERS = ("ipc", "producer", "consumer", "directory", "volume")
# Nothing of these is defined outside of the header. (error.cpp has result.hpp's one function.)
HEADER_ONLY = {"bookmark", "core_dimensions", "file_view", "interprocess", "result", "slow_reader",
               "strata", "types", "version"}

CLASS = re.compile(r"^(?:class|struct) (?:\[\[\w+\]\] )?(\w+)(?: final)?(?: :.*)? \{")
FUNCTION = re.compile(r"^(?:\[\[nodiscard\]\] )?[A-Za-z][\w:<>,&* ]*[ &*](\w+)\($|"
                      r"^(?:\[\[nodiscard\]\] )?[A-Za-z][\w:<>,&* ]*[ &*](\w+)\([^{]*$")
MEMBER = re.compile(r"^[A-Za-z\[][\w:<>,&*\[\] ]*?\b(\w+)::(?:\w+::)*~?(?:\w+|operator\W+)\(|"
                    r"^(\w+)::~?\w+\(")
NOT_DECLARED_HERE = ("inline ", "constexpr ", "template", "return ", "using ", "static ", "friend ")


def bears(source, header):
    """Whether the source file bears the header's name."""
    names = [header]
    if source.parts[-2] == "volume" and header.startswith("volume_"):
        names.append(header.removeprefix("volume_"))
    return any(source.stem == name or source.stem.startswith(name + "_") for name in names)


def namespaces(path):
    """Each line of a file with the namespace that it stands in, "" for an unnamed one."""
    forward = re.compile(r"^namespace [\w:]+ \{\n(?:(?:class|struct) \w+;\n)+\}.*\n", re.M)
    stack = []
    text = path.read_text().replace("strata::inline STRATA_ABI_NAMESPACE", "strata")
    for line in forward.sub("", text).splitlines():
        if opened := re.match(r"^namespace ?([\w:]*) ?\{", line):
            stack.append(opened[1])
        elif line.startswith("}  // namespace"):
            stack = stack[:-1]
        yield "::".join(stack) if all(stack) else "", line


def declared(header):
    """The classes and the functions that a header declares for users."""
    classes, functions = set(), set()
    for namespace, line in namespaces(header):
        if namespace != "strata":
            continue
        if found := CLASS.match(line):
            classes.add(found[1])
        elif not line.startswith(NOT_DECLARED_HERE) and "constexpr" not in line:
            if found := FUNCTION.match(line):
                functions.add(found[1] or found[2])
    return classes, functions


def violations(root):
    root = pathlib.Path(root)
    headers = {path.stem: declared(path) for path in sorted(root.glob("include/strata/*.hpp"))}
    owner_of_class = {name: header for header, (classes, _) in headers.items() for name in classes
                      if header not in HEADER_ONLY}
    owners_of_function = {}
    for header, (_, functions) in headers.items():
        for name in functions:
            owners_of_function.setdefault(name, set()).add(header)
    found, with_source = [], set()
    for source in sorted(path for folder in FOLDERS for path in root.glob(f"{folder}/**/*.cpp")):
        for namespace, line in namespaces(source):
            if namespace != "strata":
                continue
            owners = set()
            if match := MEMBER.match(line):
                what = match[1] or match[2]
                owners = {owner_of_class[what]} if what in owner_of_class else set()
            elif (match := re.match(r"^[A-Za-z\[][\w:<>,&*\[\] ]*[ &*](\w+)\(", line)) and \
                    not line.startswith("using "):
                what = match[1]
                owners = owners_of_function.get(what, set())
            with_source |= {owner for owner in owners if bears(source, owner)}
            if owners and not any(bears(source, owner) for owner in owners):
                found.append(f"{source.relative_to(root)} defines {what} of "
                             f"{' or '.join(sorted(owners))}.hpp")
    for header in headers:
        if header not in HEADER_ONLY and header not in with_source:
            found.append(f"include/strata/{header}.hpp: no {header}.cpp has anything of it")
        if header in HEADER_ONLY and header in with_source:
            found.append(f"include/strata/{header}.hpp has a source: it is not header-only")
    return found


class Rules(unittest.TestCase):
    def violations_of(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("namespace strata::inline STRATA_ABI_NAMESPACE {\n" + text +
                                "\n}  // namespace strata::inline STRATA_ABI_NAMESPACE\n")
            return violations(root)

    header = {"include/strata/thing.hpp":
              "class Thing {\n    void act();\n};\n[[nodiscard]] std::vector<int> things(\n    int a);"}

    def test_a_source_of_the_headers_name_is_right(self):
        for name in ("ipc/thing.cpp", "producer/deep/thing.cpp", "consumer/thing_acting.cpp"):
            self.assertEqual(self.violations_of(self.header | {name: "void Thing::act() {}"}), [])

    def test_volume_says_its_name_once(self):
        header = {"include/strata/volume_thing.hpp": self.header["include/strata/thing.hpp"]}
        self.assertEqual(
            self.violations_of(header | {"volume/thing_a.cpp": "Thing::Thing() {}"}), [])

    def test_a_member_elsewhere_is_wrong(self):
        for line in ("void Thing::act() {", "Thing::Thing(int a) {", "Thing::~Thing() = default;",
                     "int& Thing::Inner::value() const {", "[[noreturn]] void Thing::fail() {"):
            found = self.violations_of(
                self.header | {"ipc/thing.cpp": "Thing::Thing() {}", "ipc/other.cpp": line})
            self.assertEqual(len(found), 1, line)
            self.assertIn("ipc/other.cpp defines Thing", found[0])

    def test_a_function_elsewhere_is_wrong(self):
        found = self.violations_of(self.header | {
            "ipc/thing.cpp": "Thing::Thing() {}",
            "consumer/other.cpp": "std::vector<int> things(int a) {"})
        self.assertEqual(found, ["consumer/other.cpp defines things of thing.hpp"])

    def test_a_header_without_a_source_is_wrong(self):
        self.assertEqual(len(self.violations_of(self.header)), 1)

    def test_internal_namesakes_are_nobodys_business(self):
        inner = ("namespace {\nvoid things(int a) {\n}\n}  // namespace\n"
                 "namespace ipc {\nvoid Thing::act() {\n}\n}  // namespace ipc")
        self.assertEqual(self.violations_of(
            self.header | {"ipc/thing.cpp": "Thing::Thing() {}", "ipc/other.cpp": inner}), [])


class Tree(unittest.TestCase):
    def test_the_projects_own_tree(self):
        self.assertEqual(violations(pathlib.Path(__file__).parent.parent), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
