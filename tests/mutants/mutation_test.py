# SPDX-License-Identifier: Apache-2.0
"""What ./dev mutate makes of a source. Run by ctest as `mutation_rules`."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/lib"))
sys.dont_write_bytecode = True

from mutation.candidates import candidates_of  # noqa: E402
from mutation.sample import Equivalents, shuffled  # noqa: E402
from mutation.source import Source, name_in_tree, sources_of  # noqa: E402


def mutants_of(code, body=True):
    text = f"void function(int a, int b) {{\n{code}\n}}\n" if body else code
    found = candidates_of(Source("producer/x.cpp", text))
    for candidate in found:
        assert candidate.apply(text).count("\n") == text.count("\n")
    return {(c.what, text[c.start : c.end]) for c in found}


def whats(code, body=True):
    return {what for what, _ in mutants_of(code, body)}


class Operators(unittest.TestCase):
    def test_comparisons_are_told_from_templates(self):
        found = whats("bool x = a < b;\nstd::vector<int> y;")
        self.assertIn("`<` becomes `<=`", found)
        self.assertIn("`<` becomes `>=`", found)
        self.assertFalse(any("`>`" in what for what in found))

    def test_references_and_pointers_are_no_operators(self):
        self.assertEqual(whats("Region& r = x;\nint* p = y;\nT&& t = z;"), set())

    def test_shifts(self):
        found = whats("a = b >> 3;\nb = a << 2;")
        self.assertIn("`>>` becomes `<<`", found)
        self.assertIn("`<<` becomes `>>`", found)

    def test_numbers_go_up_and_down_in_their_own_base(self):
        found = whats("a = b + 07;")
        self.assertIn("`07` becomes `010`", found)
        self.assertIn("`07` becomes `06`", found)

    def test_minimum_and_maximum_but_not_of_a_type(self):
        found = whats("a = std::min(a, b);\nb = std::numeric_limits<int>::max();")
        self.assertIn("`min` becomes `max`", found)
        self.assertNotIn("`max` becomes `min`", found)

    def test_conditions(self):
        found = mutants_of("if (a && !b) {\n a = 1;\n}")
        self.assertIn(("condition negated", "a && !b"), found)
        self.assertIn(("condition never true", "a && !b"), found)
        self.assertIn(("`!` removed", "!"), found)
        self.assertIn(("`&&` becomes `||`", "&&"), found)

    def test_a_condition_that_declares_keeps_its_name(self):
        text = "void f() {\nif (const int error = g()) {\nh(error);\n}\n}\n"
        made = [c.apply(text) for c in candidates_of(Source("ipc/x.cpp", text))]
        self.assertTrue(any("(const int error = g(); !error)" in one for one in made))
        self.assertTrue(any("(const int error = g(); false)" in one for one in made))

    def test_statements_that_go(self):
        found = mutants_of("g(a);\na = b;\nint c = a;\nfor (;;) {\nbreak;\n}\nthrow;")
        self.assertIn(("statement deleted", "g(a);"), found)
        self.assertIn(("statement deleted", "a = b;"), found)
        self.assertIn(("statement deleted", "throw;"), found)
        self.assertIn(("`break` removed", "break;"), found)
        self.assertNotIn(("statement deleted", "int c = a;"), found)

    def test_results(self):
        self.assertIn(("returns {}", "g(a)"), mutants_of("return g(a);"))
        self.assertIn(("`true` becomes `false`", "true"), mutants_of("return true;"))


class LeftAlone(unittest.TestCase):
    def test_texts_and_what_stands_with_them(self):
        self.assertEqual(whats('fail("a" + std::to_string(1 + a));'), {"statement deleted"})

    def test_what_is_no_code(self):
        self.assertEqual(whats("// a < b\n/* a + 1 */\n#if A < 1\n#endif"), set())
        constants = "constexpr int a = 1 + 2;\nenum class E { a = 1 };\nint table[] = {1, 2};\n"
        self.assertEqual(whats(constants, body=False), set())
        self.assertEqual(whats("constexpr int c = 1 + 2;\nstatic_assert(c < 4);"), set())

    def test_self_checks(self):
        code = "bool Tree::valid() const {\nif (a < b) {\nreturn false;\n}\nreturn true;\n}\n"
        self.assertEqual(whats(code, body=False), set())

    def test_what_no_test_can_see(self):
        points = 'STRATA_CRASH_POINT("a");\n__builtin_prefetch(p + 1);'
        self.assertEqual(whats(points), set())
        self.assertEqual(whats("x.load(std::memory_order_acquire);"), {"statement deleted"})


class ErrorPaths(unittest.TestCase):
    def on_error_path(self, code):
        text = f"int function(int a) {{\n{code}\n}}\n"
        return {c.what for c in candidates_of(Source("ipc/x.cpp", text)) if c.on_error_path}

    def test_catch_and_what_fails(self):
        self.assertEqual(
            self.on_error_path("try {\ng();\n} catch (...) {\nh();\n}"), {"statement deleted"}
        )
        self.assertIn("condition negated", self.on_error_path("if (a) {\nfail_errno(a);\n}"))
        self.assertIn("condition negated", self.on_error_path("if (error != 0) {\ng();\n}"))

    def test_the_ordinary_path(self):
        self.assertEqual(self.on_error_path("if (a) {\ng();\n}\nreturn a;"), set())
        self.assertNotIn("statement deleted", self.on_error_path("if (error == 0) {\ng();\n}"))


class Samples(unittest.TestCase):
    text = "void f(int a) {\n" + "".join(f"g({i});\n" for i in range(100)) + "}\n"

    def test_a_seed_repeats_its_order_and_draws_each_once(self):
        found = candidates_of(Source("ipc/x.cpp", self.text))
        first = list(shuffled(found, 7))
        self.assertEqual(first, list(shuffled(found, 7)))
        self.assertNotEqual(first, list(shuffled(found, 8)))
        self.assertEqual(sorted(map(repr, first)), sorted(map(repr, found)))

    def test_equivalents_match_by_text(self):
        found = candidates_of(Source("ipc/x.cpp", self.text))
        entry = "# note\n\nfile: ipc/x.cpp\nline: g(3);\nwhat: statement deleted\nwhy: no matter\n"
        known = Equivalents(entry)
        self.assertEqual(sum(known.why(c) == "no matter" for c in found), 1)
        self.assertEqual(known.out_of_date(found), [])
        self.assertEqual(len(Equivalents(entry.replace("g(3)", "g(-3)")).out_of_date(found)), 1)


class Tree(unittest.TestCase):
    root = Path(__file__).parents[2]

    def test_rooms_within_a_folder_are_searched(self):
        names = sources_of(self.root)
        for name in ("ipc/format/layout.hpp", "ipc/index/view.hpp", "producer/commit/commit.cpp"):
            self.assertIn(name, names)
        self.assertTrue(all((self.root / name).is_file() for name in names))

    def test_every_argued_equivalent_is_still_there(self):
        found = [c for source in sources_of(self.root).values() for c in candidates_of(source)]
        known = Equivalents((self.root / "tests/mutants/equivalents.txt").read_text())
        self.assertEqual(known.out_of_date(found), [])

    def test_names_from_paths_that_begin_anywhere(self):
        room = "producer/commit/commit.cpp"
        self.assertEqual(name_in_tree("/somewhere/ipc/build/tree/" + room), room)
        self.assertEqual(name_in_tree("../tree/" + room), room)
        self.assertEqual(name_in_tree("/usr/include/c++/12/vector"), "")


if __name__ == "__main__":
    unittest.main()
