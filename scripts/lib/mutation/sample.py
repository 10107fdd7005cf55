# SPDX-License-Identifier: Apache-2.0
"""Which candidates are tried, and which of them are known to change nothing."""

import random

# Of what is drawn: errors and rollbacks are a small part of the code and a large part of the risk.
_ERROR_SHARE = 1 / 3


def shuffled(candidates, seed):
    """All candidates in the order in which a seed draws them: every line is as likely as every
    other one, however much there is to change on it."""
    dice = random.Random(seed)
    pools = [_by_line(candidates, error, dice) for error in (True, False)]
    while pools[0] or pools[1]:
        pool = pools[0 if dice.random() < _ERROR_SHARE else 1] or pools[0] or pools[1]
        place = dice.randrange(len(pool))
        yield pool[place].pop()
        if not pool[place]:
            pool[place] = pool[-1]
            pool.pop()


def _by_line(candidates, on_error_path, dice):
    lines = {}
    for candidate in candidates:
        if candidate.on_error_path == on_error_path:
            lines.setdefault((candidate.path, candidate.line), []).append(candidate)
    for same_line in lines.values():
        dice.shuffle(same_line)
    return list(lines.values())


class Equivalents:
    """tests/mutants/equivalents.txt: paragraphs of `file:`, `line:`, one or more `what:`, `why:`."""

    def __init__(self, text):
        self._why = {}
        self.lines = []  # (file, line) of each paragraph
        for paragraph in text.split("\n\n"):
            entries = [
                line.split(": ", 1)
                for line in paragraph.splitlines()
                if line and not line.startswith("#")
            ]
            if not entries:
                continue
            fields = dict(entries)
            missing = {"file", "line", "what", "why"} - set(fields)
            if missing:
                raise SystemExit(f"error: equivalents.txt: no {missing} in:\n{paragraph}")
            self.lines.append((fields["file"], fields["line"]))
            for key, what in entries:
                if key == "what":
                    self._why[fields["file"], fields["line"], what] = fields["why"]

    def why(self, candidate):
        return self._why.get((candidate.path, candidate.line_text, candidate.what))

    def out_of_date(self, candidates):
        """Entries that match nothing."""
        known = {(c.path, c.line_text, c.what) for c in candidates}
        return sorted(key for key in self._why if key not in known)
