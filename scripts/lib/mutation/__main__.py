# SPDX-License-Identifier: Apache-2.0
"""Draws mutants, tries them, reports the score. Called by scripts/mutate.sh."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutation.candidates import candidates_of
from mutation.reach import Reach
from mutation.sample import Equivalents, shuffled
from mutation.source import sources_of
from mutation.workbench import Workbench

ROOT = Path.cwd()
WORK = ROOT / "build/mutate"
EQUIVALENTS = ROOT / "tests/mutants/equivalents.txt"
WORST_SHARE = 0.05  # of survivors
BY_CHANCE = 2  # so many of a small sample may survive: with 95 % caught, three of ten are rare


def say(text):
    print(text, flush=True)


class Trial:
    """One mutant after the other in the workbench."""

    def __init__(self, bench, reach, sources, jobs):
        self.bench, self.reach, self.sources, self.jobs = bench, reach, sources, jobs

    def judge(self, candidate):
        """The verdict and what there is to say about it."""
        text = self.sources[candidate.path].text
        plain = self.bench.code_of(candidate.path)
        self.bench.write(candidate.path, candidate.apply(text))
        try:
            if not self.bench.make(*(self.bench.objects_of(candidate.path) or self.bench.libraries())):
                return "invalid", "does not compile"
            if plain is not None and plain == self.bench.code_of(candidate.path):
                return "equivalent", "the same machine code"
            tests = self.reach.tests_of(candidate)
            if not tests:
                return "survived", "no test runs this line"
            if not self.bench.make(*self.bench.libraries()):
                return "invalid", "does not link"
            return self._try(tests)
        finally:
            self.bench.write(candidate.path, text)

    def _try(self, tests):
        self.caught, self.doubtful = None, []
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self._try_one, tests))
        if self.caught:
            return "caught", self.caught
        doubt = f"; {', '.join(self.doubtful)} red once, then green" if self.doubtful else ""
        return "survived", f"{len(tests)} tests ran it{doubt}"

    # A test that is red by chance must not count: it has to be red twice.
    def _try_one(self, test):
        if self.caught:
            return
        if not self.bench.make(test.target):
            self._catch(f"{test.name}, which does not compile")
            return
        patience = 20 + 8 * test.seconds
        for attempt in range(2):
            run = self.bench.run(test, patience)
            if self.caught:
                return
            if run.verdict == "hung":
                self._catch(f"{test.name}, which hangs")
                return
            if run.verdict != "red":
                if attempt:
                    self.doubtful.append(test.name)
                return
        self._catch(f"{test.name} in {run.seconds:.1f} s")

    def _catch(self, what):
        self.caught = what
        self.bench.stop_running()


def arguments():
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="how many (20, or all of --only)")
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="S")
    parser.add_argument("--error-paths", action="store_true", help="only on error and rollback paths")
    parser.add_argument("--only", action="append", default=[], metavar="PATH[:LINE]", help="only there")
    parser.add_argument("--list", action="store_true", help="print what would be tried, and end")
    parser.add_argument("--jobs", type=int, default=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def chosen(candidates, options):
    """Those to try, in order, and how many of them count."""
    if options.error_paths:
        candidates = [c for c in candidates if c.on_error_path]
    if options.only:
        candidates = [
            c
            for c in candidates
            if any(f"{c.path}:{c.line}:".startswith((f"{o}:", f"{o}/")) for o in options.only)
        ]
        if options.sample is None:
            return candidates, len(candidates)
    return shuffled(candidates, options.seed), 20 if options.sample is None else options.sample


def describe(candidate):
    path = " (error path)" if candidate.on_error_path else ""
    return f"{candidate.path}:{candidate.line}:{candidate.column}: {candidate.what}{path}"


def percentage(results):
    caught = sum(verdict == "caught" for _, verdict, _ in results)
    share = 100 * caught / len(results) if results else 100
    return f"{caught} of {len(results)} caught ({share:.0f} %)"


def report(results, started):
    counted = [result for result in results if result[1] in ("caught", "survived")]
    on_error_paths = [result for result in counted if result[0].on_error_path]
    survivors = [result for result in counted if result[1] == "survived"]
    say("")
    for candidate, _, remark in survivors:
        say(f"SURVIVED {describe(candidate)}: {remark}\n    {candidate.line_text}")
    equivalent = sum(verdict == "equivalent" for _, verdict, _ in results)
    invalid = sum(verdict == "invalid" for _, verdict, _ in results)
    say(f"all: {percentage(counted)}; on error paths: {percentage(on_error_paths)}")
    say(f"not counted: {equivalent} equivalent, {invalid} that do not compile")
    say(f"{time.monotonic() - started:.0f} s")
    return 1 if len(survivors) > max(BY_CHANCE, WORST_SHARE * len(counted)) else 0


def main():
    options = arguments()
    sources = sources_of(ROOT)
    candidates = [c for source in sources.values() for c in candidates_of(source)]
    equivalents = Equivalents(EQUIVALENTS.read_text())
    stale = equivalents.out_of_date(candidates)
    if stale:
        raise SystemExit(f"error: {EQUIVALENTS.name} is out of date: nothing matches {stale}")
    order, wanted = chosen(candidates, options)
    if not options.only or options.sample is not None:
        say(f"sample of {wanted}, seed {options.seed}, of {len(candidates)} candidates")
    if options.list:
        for _, candidate in zip(range(wanted), order):
            say(f"{describe(candidate)}\n    {candidate.line_text}")
        return 0

    started = time.monotonic()
    bench = Workbench(ROOT, WORK / "tree", WORK / "build", options.jobs)
    bench.refresh()
    bench.configure()
    if not bench.make(*bench.test_targets()):
        raise SystemExit(f"error: the copy does not build: see {WORK / 'log'}")
    bench.list_tests()
    reach = Reach(bench, WORK)
    reach.measure(say)
    trial = Trial(bench, reach, sources, options.jobs)
    results = []
    for candidate in order:
        if sum(verdict in ("caught", "survived") for _, verdict, _ in results) >= wanted:
            break
        start = time.monotonic()
        why = equivalents.why(candidate)
        verdict, remark = ("equivalent", why) if why else trial.judge(candidate)
        results.append((candidate, verdict, remark))
        shown = "SURVIVED" if verdict == "survived" else verdict
        say(f"{describe(candidate)}: {shown}: {remark} [{time.monotonic() - start:.0f} s]")
    return report(results, started)


if __name__ == "__main__":
    sys.exit(main())
