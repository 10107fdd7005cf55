#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the results of strata_bench into a summary of the budgets or into docs/benchmarks.md with its plots.

usage: render.py RESULTS.json --summary
       render.py RESULTS.json --write DIRECTORY
"""
import argparse
import json
import pathlib

import svg

GROUPS = [
    ("reads", "Point reads by one process"),
    ("snapshot", "A snapshot for every operation"),
    ("ycsb", "YCSB"),
    ("scan", "Whole-dimension scan"),
    ("commit", "Commits"),
    ("retention", "Retained generations"),
    ("waiters", "Commits with consumers asleep in wait()"),
    ("latency", "Publish to seen"),
    ("readers", "Many reader processes"),
    ("attach", "Attaching"),
    ("restart", "Restart of a producer"),
    ("index", "Index memory"),
    ("churn", "Steady overwriting"),
    ("kill", "Readers killed at any time"),
    ("growth", "How cost grows"),
    ("mapped", "Files of a mapped directory"),
]
PEERS = """- **array**: pointers to payloads, each an allocation of its own, indexed by the key; **array of strata's
  payloads**: the same over strata's shared pages, so that the difference is the memory's, not the index's.
  Among the readers: one array in each process, beside strata's producer, to show what the machine takes.
- **strata batched find**: 64 ids a call, or 1024; *of numbers*: 64 layer numbers of one dimension a call.
- **std::unordered_map, absl::flat_hash_map**: from a 64-bit key to such a pointer, reserved beforehand.
- **LMDB**: MDB_INTEGERKEY, MDB_NOSYNC | MDB_WRITEMAP, the same tmpfs, loaded with MDB_APPEND; readers hold a
  transaction, or reset and renew it (never begin anew).
- **Boost.Interprocess map + mutex**: unordered map in a mapped file, interprocess_sharable_mutex taken shared for
  each look-up, payloads overwritten in place.
- **SQLite**: rowid table, mmap_size over the whole file, exclusive locking, one prepared statement in one read
  transaction. **tkrzw**: HashDBM on a memory-mapped file, twice as many buckets as records, RecordProcessor.
- **Redis**: a Unix socket, no persistence, one request at a time or 64 under way; on the client's core, which is faster
  here than waking another one.
- **iceoryx**: loan, publish, take; polling or a WaitSet; RouDi without monitoring.
- **in place + futex** (commits): payloads overwritten where they are, a number raised, a futex woken on which nobody
  sleeps; no snapshot, no checksum, not crash-safe.
- *aged*: after the rounds of single and batched commits, and then 50,000 (quick) or 100,000 + 2 for each layer
  single overwrites of random layers."""
LOADED = 0.10  # as in harness/machine.hpp


def ran(contestant):
    return "median" in contestant


def budgets_of(results):
    for row in results["rows"]:
        for budget in row["budgets"]:
            yield row, budget


def verdict(budget):
    return {"met": "met", "missed": "**missed**"}.get(budget["verdict"], budget["verdict"])


def measured(budget):
    return svg.number(budget["measured"]) if "measured" in budget else "-"


def summary(results):
    all_budgets = list(budgets_of(results))
    print("\nbudgets:")
    for row, budget in all_budgets:
        print(f"  {budget['verdict']:8} {row['name']:32} {budget['text']}: {measured(budget)}")
    counts = {v: sum(b["verdict"] == v for _, b in all_budgets) for v in ("met", "missed", "not run")}
    print(f"{counts['met']} met, {counts['missed']} missed, {counts['not run']} not run")
    loaded = [row["name"] for row in results["rows"] if row["others_busy"] > LOADED]
    if loaded:
        print(f"LOADED MACHINE: others used the CPUs during {len(loaded)} of "
              f"{len(results['rows'])} rows; look at ratios only, or run again")


def cell(contestant):
    if not ran(contestant):
        return f"not run: {contestant.get('not_run', 'no value')}"
    middle, low, high = (svg.number(contestant[k]) for k in ("median", "min", "max"))
    return middle if low == high else f"{middle} ({low} – {high})"


def group_table(rows):
    text = []
    for row in rows:
        more = ", more is better" if row["more_is_better"] else ""
        loaded = (f" *Loaded machine: others used {row['others_busy']:.0%} of the CPUs.*"
                  if row["others_busy"] > LOADED else "")
        text.append(f"\n### `{row['name']}`\n\n{row['title']} ({row['unit']}{more}).{loaded}\n")
        own = next((c for c in row["contestants"] if c["role"] == "strata" and ran(c)), None)
        text.append("| contestant | kind | median (min – max) | relative to strata |\n|---|---|---|---|")
        for c in row["contestants"]:
            ratio = ""
            if own and ran(c) and c is not own and own["median"] > 0:
                ratio = f"{svg.number(c['median'] / own['median'])} ×"
            text.append(f"| {c['name']} | {c['role']} | {cell(c)} | {ratio} |")
        for budget in row["budgets"]:
            text.append(f"\nBudget: {budget['text']}; measured {measured(budget)}: {verdict(budget)}.")
        text.extend(f"\n{note[0].upper()}{note[1:]}." for note in row["notes"])
    return "\n".join(text)


def series_of(rows, key):
    """Lines over the last number in the rows' names: {contestant: points}."""
    found = {}
    for row in rows:
        x = key(row["name"])
        for c in row["contestants"]:
            if ran(c) and c["median"] > 0:
                found.setdefault((c["name"], c["role"]), []).append((x, c["median"]))
    return [(name, role, points) for (name, role), points in found.items()]


def plots(results):
    """(file name, caption, SVG text) of every plot that the results have data for."""
    rows = {row["name"]: row for row in results["rows"]}
    made = []

    def bar(file, name, title):
        if name in rows:
            row = rows[name]
            items = [(c["name"], c["role"], c["median"]) for c in row["contestants"]
                     if ran(c) and c["median"] > 0]
            made.append((file, title, svg.bars(title, row["unit"], sorted(items, key=lambda i: i[2]))))

    def line(file, prefix, title, x_label, log_y=True):
        chosen = [r for r in results["rows"] if r["name"].startswith(prefix)
                  and r["name"].rsplit("/", 1)[-1].isdigit()]
        if len(chosen) >= 2:
            data = series_of(chosen, lambda name: int(name.rsplit("/", 1)[-1]))
            made.append((file, title, svg.lines(title, x_label, chosen[0]["unit"], data, log_y)))

    bar("bench-reads.svg", "reads/uniform/10000", "One look-up among 10,000 layers of 256 bytes")
    bar("bench-latency.svg", "latency/spinning", "Publish to seen, polling, two cores")
    bar("bench-commit.svg", "commit/single/10000/aged", "One commit of 256 bytes, aged store")
    line("bench-readers.svg", "readers/idle/", "Reader processes", "processes", False)
    for metric, title in [("find", "Look-up"), ("commit", "Commit"), ("attach", "Attach"),
                          ("index", "Index memory of one layer")]:
        line(f"bench-growth-{metric}.svg", f"growth/{metric}/", f"{title} against the number of layers",
             "layers", metric != "index")
    return made


def budget_table(results, before):
    """Every budget; beside it what the full run before, on the same machine, measured."""
    earlier = {}
    if before:
        earlier = {(row["name"], budget["text"]): budget for row, budget in budgets_of(before)}
    head = ["row", "budget", "measured", ""] + (["the run before", ""] if before else [])
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row, budget in budgets_of(results):
        cells = [f"`{row['name']}`", budget["text"], measured(budget), verdict(budget)]
        if before:
            other = earlier.get((row["name"], budget["text"]))
            cells += [measured(other), verdict(other)] if other else ["-", "not run"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def document(results, made, before):
    missed = [b for _, b in budgets_of(results) if b["verdict"] == "missed"]
    loaded = sum(row["others_busy"] > LOADED for row in results["rows"])
    text = ["# Benchmarks", "",
            f"Written by `{results['command']}`; do not edit. {results['rounds']:.0f} rounds, contestants "
            "alternated round by round; median (min – max). Ratios are medians of the rounds' ratios. Every "
            "look-up's first and last 8 bytes are summed and compared with the known sum.", ""]
    if results["quick"]:
        text += ["**A quick run**: short rounds, fewer points.", ""]
    if loaded:
        text += [f"**Loaded machine**: other processes used the CPUs during {loaded} of "
                 f"{len(results['rows'])} rows. Absolute figures are too slow; ratios are fairer.", ""]
    text += ["| | |", "|---|---|"]
    text += [f"| {name} | {value} |" for name, value in results["machine"].items()]
    text += ["", "How each contestant is used:", "", PEERS, "", "## Budgets", "", f"{len(missed)} missed.", ""]
    if before:
        text += [f"The run before: {before['machine']['date']}, {before['machine']['software'].split(',')[0]}.", ""]
    text += budget_table(results, before)
    text += ["", "## Plots", ""]
    text += [f"![{caption}]({file})" for file, caption, _ in made]
    for prefix, title in GROUPS:
        rows = [r for r in results["rows"] if r["name"].split("/")[0] == prefix]
        if rows:
            text += ["", f"## {title}", group_table(rows)]
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--write", metavar="DIRECTORY")
    parser.add_argument("--before", metavar="FILE", help="results of an earlier run, to stand beside")
    arguments = parser.parse_args()
    results = json.loads(pathlib.Path(arguments.results).read_text(encoding="utf-8"))
    if arguments.summary:
        summary(results)
    if arguments.write:
        directory = pathlib.Path(arguments.write)
        made = plots(results)
        for file, _, text in made:
            (directory / file).write_text(text, encoding="utf-8")
        before = None
        if arguments.before:
            before = json.loads(pathlib.Path(arguments.before).read_text(encoding="utf-8"))
        (directory / "benchmarks.md").write_text(document(results, made, before), encoding="utf-8")
        print(f"wrote {directory / 'benchmarks.md'} and {len(made)} plots")


if __name__ == "__main__":
    main()
