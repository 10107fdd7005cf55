# SPDX-License-Identifier: Apache-2.0
"""Outside of ipc/os/, which talks to the operating system, a descriptor is a FileDescriptor and a
failure is a value: nobody passes a bare int or reads `errno`. Who still does is listed here, each
with its reason; the list may only shrink. The rules are tested on small trees, then the project's
own tree is held to them."""

import pathlib
import re
import sys
import tempfile
import unittest

FOLDERS = ("include", "ipc", "producer", "consumer", "directory", "volume", "tools", "bindings")
READ_ERRNO = {
    "tools/system.cpp": "makes errors of what the library's interface has no name for",
}
PASS_INTS = {
    "include/strata/consumer.hpp": "what users give to poll(2) is an int",
    "include/strata/store_watch.hpp": "the same",
    "consumer/consumer.cpp": "defines it",
    "consumer/store_watch.cpp": "the same",
    "include/strata/volume_stream.hpp": "the pipe that a stream goes through is the caller's",
    "volume/stream_send.cpp": "the same",
    "volume/stream_receive.cpp": "the same",
    "volume/tar_writer.hpp": "writes to it, and leaves it open",
    "volume/tar_writer.cpp": "the same",
    "volume/tar_reader.hpp": "reads from it, and leaves it open",
    "volume/tar_reader.cpp": "the same",
    "tools/volume_stream.cpp": "standard input and output",
}

# What may hide the words: comments, texts, characters.
HIDDEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
NAMES = r"\w*(?:fd|descriptor|description|directory|file|control)_?"
RULES = {
    "reads errno": (re.compile(r"(?<![\w:.>])(?:::)?errno\b(?!\s*[(.]|_)"), READ_ERRNO),
    "passes a descriptor as an int": (
        re.compile(rf"\bint\s+(?:{NAMES}\s*[,;)={{]|(?:\w+::)*\w*descript(?:or|ion)\(|"
                   r"\w+\s*=[^;]*\.(?:get|release)\(\)\s*;)"),
        PASS_INTS),
}


def violations(root, whole):
    """What is against the rules; of a whole tree also names on a list that need not be there."""
    root = pathlib.Path(root)
    found, used = [], set()
    for path in sorted(path for folder in FOLDERS for pattern in ("*.hpp", "*.cpp", "*.h")
                       for path in root.glob(f"{folder}/**/{pattern}")):
        name = str(path.relative_to(root))
        if name.startswith("ipc/os/"):
            continue
        text = HIDDEN.sub(" ", path.read_text())
        for what, (pattern, allowed) in RULES.items():
            match = pattern.search(text)
            if match and name in allowed:
                used.add((what, name))
            elif match:
                found.append(f"{name} {what}: {' '.join(match[0].split())}")
    if whole:
        found += [f"{name} no longer {what}: take it off the list"
                  for what, (_, allowed) in RULES.items() for name in allowed
                  if (what, name) not in used]
    return found


class Rules(unittest.TestCase):
    def violations_of(self, name, text):
        with tempfile.TemporaryDirectory() as root:
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True)
            path.write_text(text)
            return violations(root, whole=False)

    def test_errno_is_the_systems(self):
        for line in ("return errno;", "if (::errno == ENOENT) {", "errno = 0;",
                     "fail(errno, path);"):
            self.assertEqual(len(self.violations_of("producer/a.cpp", line)), 1, line)
            self.assertEqual(self.violations_of("ipc/os/a.cpp", line), [], line)
            self.assertEqual(self.violations_of("tools/system.cpp", line), [], line)

    def test_its_name_and_its_values_are_everybodys(self):
        for line in ("// 0 or an errno", 'json{{"errno", 5}}', "error.errno_value()",
                     "return ENOENT;", "ipc::fail_errno(error, path);", "/* an errno\n of it */"):
            self.assertEqual(self.violations_of("ipc/a.cpp", line), [], line)

    def test_a_descriptor_is_no_int(self):
        for line in ("void map(int fd);", "void map(int fd, int more);", "int fd_ = -1;",
                     "int directory_;", "int descriptor() const;",
                     "int A::B::event_descriptor() {", "const int at = base.value.get();",
                     "int lock(int control,\n         int last);", "int fd_{-1};"):
            self.assertEqual(len(self.violations_of("consumer/deep/a.hpp", line)), 1, line)
            self.assertEqual(self.violations_of("ipc/os/a.hpp", line), [], line)
            self.assertEqual(self.violations_of("consumer/store_watch.cpp", line), [], line)

    def test_other_ints_are_ints(self):
        for line in ("int error = 0;", "int remove_file(const FileDescriptor& directory);",
                     "const int error = os::status(file.get());", "// an int fd\n",
                     "int profile_bits(int count);", "unsigned files = 0;",
                     "std::uint32_t control = 0;"):
            self.assertEqual(self.violations_of("volume/a.cpp", line), [], line)

    def test_the_lists_may_only_shrink(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(len(violations(root, whole=True)), len(READ_ERRNO) + len(PASS_INTS))


class Tree(unittest.TestCase):
    def test_the_projects_own_tree(self):
        self.assertEqual(violations(pathlib.Path(__file__).parent.parent, whole=True), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
