# SPDX-License-Identifier: Apache-2.0
"""Every small mutation of a source that is worth a try: comparisons, arithmetic, constants,
conditions, results, statements that go. Memory orders and barriers are left alone (no test on
x86 would see them), and so are texts of messages, constants, prefetching, and the self-checks that only tests call."""

import re
from dataclasses import dataclass

# Statements that have no effect that a test could see; `bug` is never reached.
_EFFECTLESS = {
    "bug",
    "STRATA_CRASH_POINT",
    "__builtin_prefetch",
    "prefetch",
    "assert",
    "static_assert",
    "heavy_barrier",
    "barrier_all_threads",
    "fence",
}
_ERROR_WORDS = re.compile(r"([Ee]rror|[Rr]efus|fail|corrupt|Errc|errno|hopeless|give_back|^E[A-Z]{3,}$)")
_SUCCESS = re.compile(r"(== 0$|^!\w*error$)")
_ROLLBACK = re.compile(r"(undo|roll_?back|abandon|restore|unwind|discard|give_back)")

_OPERATORS = {
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "&&": ["||"],
    "||": ["&&"],
    "+": ["-"],
    "-": ["+"],
    "*": ["/"],
    "/": ["*"],
    "%": ["/"],
    "<<": [">>"],
    "&": ["|"],
    "|": ["&"],
    "+=": ["-="],
    "-=": ["+="],
    "|=": ["&="],
    "&=": ["|="],
}
_LOGIC = {"<", "<=", ">", ">=", "==", "!=", "&&", "||"}
_DECLARATION = re.compile(
    r"(?:(?:const|auto|static|constexpr|thread_local|unsigned|struct|typename)\b|using\b|typedef\b"
    r"|(?:::)?\w+(?:::\w+)*(?:<[^;=]*?>)?(?:::\w+)*[ &*]+(?:const )?[&*]?\w+\s*(?:[={(;\[]|$))"
)


@dataclass(frozen=True)
class Candidate:
    """Text from start to end is replaced; `what` says it in words."""

    path: str
    line: int
    column: int
    start: int
    end: int
    replacement: str
    what: str
    on_error_path: bool
    line_text: str

    def apply(self, text):
        # Lines keep their numbers.
        lost = text.count("\n", self.start, self.end) - self.replacement.count("\n")
        return text[: self.start] + self.replacement + "\n" * lost + text[self.end :]


def candidates_of(source):
    """In the order of the source."""
    found = list(_Finder(source).find())
    unique = {(c.start, c.end, c.replacement): c for c in found}
    return sorted(unique.values(), key=lambda c: (c.start, c.end, c.replacement))


class _Finder:
    def __init__(self, source):
        self.source, self.tokens = source, source.tokens
        self.muted = self._muted_tokens()

    def find(self):
        for i in range(len(self.tokens)):
            block = self.source.block_of[i]
            while block is not None and block.kind == "value":
                block = block.parent
            if block is None or not block.is_code or i in self.muted or self._in_self_check(block):
                continue
            yield from self._at_token(i)
        for block in self.source.blocks:
            if block.is_code and not self._in_self_check(block):
                yield from self._conditions_in(block)
        for statement in self.source.statements:
            if not self._in_self_check(statement.block):
                yield from self._at_statement(statement)

    # valid() and its kind look for damage in a structure that has none.
    def _in_self_check(self, block):
        while block.kind != "function" and block.parent is not None:
            block = block.parent
        return self._function_name(block).startswith("valid")

    def _function_name(self, block):
        head = [self.tokens[i].text for i in block.head]
        return next((word for i, word in enumerate(head[:-1]) if head[i + 1] == "("), "")

    def _candidate(self, first, last, replacement, what):
        start, end = self.tokens[first].start, self.tokens[last].end
        line, column = self.source.line_and_column(start)
        return Candidate(
            self.source.path,
            line,
            column,
            start,
            end,
            replacement,
            what,
            self._on_error_path(first),
            self.source.line_text(line),
        )

    # ---- single tokens -------------------------------------------------------------------------
    def _at_token(self, i):
        token, text = self.tokens[i], self.tokens[i].text
        if token.kind == "number":
            yield from self._number(i)
        elif token.kind == "word":
            after = self.tokens[i + 1].text
            if text in ("min", "max") and after == "(" and self.tokens[i - 1].text == "::":
                if self.tokens[i - 2].text == "std":
                    yield self._swap(i, "max" if text == "min" else "min")
            elif text in ("true", "false"):
                yield self._swap(i, "false" if text == "true" else "true")
        elif text in ("++", "--"):
            yield self._swap(i, "--" if text == "++" else "++")
        elif text == "!" and self.tokens[i - 1].text in ("(", "&&", "||", "return", "=", ",", "!"):
            yield self._candidate(i, i, "", "`!` removed")
        elif text in _OPERATORS and self.source.is_spaced(i):
            for other in _OPERATORS[text]:
                yield self._swap(i, other)
        elif text == ">" and self.tokens[i + 1].text == ">" and self._is_shift(i):
            yield self._candidate(i, i + 1, "<<", "`>>` becomes `<<`")

    def _swap(self, i, other):
        return self._candidate(i, i, other, f"`{self.tokens[i].text}` becomes `{other}`")

    def _number(self, i):
        text = self.tokens[i].text
        match = re.fullmatch(r"(\d[\d']*)([uUlL]*)", text)
        if not match or self.tokens[i - 1].text == "case":
            return
        digits = match[1].replace("'", "")
        octal = len(digits) > 1 and digits[0] == "0"
        value = int(digits, 8 if octal else 10)
        for other in [value + 1] + ([value - 1] if value > 0 else []):
            yield self._swap(i, (f"0{other:o}" if octal else f"{other}") + match[2])

    def _is_shift(self, i):
        first, second = self.tokens[i], self.tokens[i + 1]
        text = self.source.text
        return (
            first.end == second.start
            and text[first.start - 1].isspace()
            and text[second.end].isspace()
        )

    # ---- conditions ----------------------------------------------------------------------------
    def _conditions_in(self, block):
        for i in self.source.top_level(block.opening + 1, block.closing - 1):
            text = self.tokens[i].text
            if text not in ("if", "while") or self.tokens[i + 1].text != "(":
                continue
            opening, closing = i + 1, self.source.partner[i + 1]
            first = opening + 1
            for j in self.source.top_level(first, closing - 1):
                if self.tokens[j].text == ";":
                    first = j + 1
            if first >= closing:
                continue
            words = self.source.between(first, closing - 1)
            declared = None
            for j in self.source.top_level(first, closing - 1):
                if self.tokens[j].text == "=" and self.tokens[j - 1].kind == "word":
                    declared = self.tokens[j - 1].text
                    break
            negated = f"{words}; !{declared}" if declared else f"!({words})"
            never = f"{words}; false" if declared else "false"
            if text == "while" and declared:
                continue
            yield self._candidate(first, closing - 1, negated, "condition negated")
            guards_a_bug = "bug" in self.source.texts(closing + 1, closing + 5)
            if words not in ("true", "false") and not guards_a_bug:
                yield self._candidate(first, closing - 1, never, "condition never true")

    # ---- statements ----------------------------------------------------------------------------
    def _at_statement(self, statement):
        first, last = statement.first, statement.last
        word = self.tokens[first].text
        if self.tokens[last].text != ";" or first == last or self._is_effectless(first, last):
            return
        if word == "return":
            yield from self._result(first, last)
        elif word in ("break", "continue"):
            yield self._candidate(first, last, ";", f"`{word}` removed")
        elif word in ("co_await", "co_yield", "co_return", "using", "goto"):
            return
        elif not _DECLARATION.match(self._flat(first, last)):
            yield self._candidate(first, last, ";", "statement deleted")

    def _result(self, first, last):
        value = self.source.between(first + 1, last - 1) if last > first + 1 else ""
        if value == "":
            yield self._candidate(first, last, ";", "`return` removed")
        elif value in ("true", "false", "0", "{}"):
            if value == "false" or value == "0":
                yield self._candidate(first, last, ";", f"`return {value}` removed")
        else:
            yield self._candidate(first + 1, last - 1, "{}", "returns {}")

    def _flat(self, first, last):
        return " ".join(self.source.between(first, last).split())

    def _is_effectless(self, first, last):
        return bool(_EFFECTLESS & set(self.source.texts(first, min(first + 4, last))))

    # Tokens that are no candidates: in statements with texts (messages), constants, memory orders.
    def _muted_tokens(self):
        muted = set()
        for statement in self.source.statements:
            words = self.source.texts(statement.first, statement.last)
            if "constexpr" in words[:2] or self._is_effectless(statement.first, statement.last):
                muted.update(range(statement.first, statement.last + 1))
                continue
            own = [
                i
                for i in range(statement.first, statement.last + 1)
                if self.source.statement_of[i] is statement
            ]
            if any(self.tokens[i].kind == "string" for i in own):
                muted.update(own)
        for i, token in enumerate(self.tokens):
            if token.text in ("static_assert", "alignas", "sizeof") or token.text == "__builtin_expect":
                closing = self.source.partner.get(i + 1)
                muted.update(range(i, (closing or i) + 1))
            if token.text == "if" and self.tokens[i + 1].text == "constexpr":
                muted.update(range(i, self.source.partner[i + 2] + 1))
        return muted

    # ---- error paths ---------------------------------------------------------------------------
    def _on_error_path(self, i):
        statement = self.source.statement_of[i]
        if statement is not None and self._speaks_of_errors(statement):
            return True
        if self._in_failing_condition(i):
            return True
        block = self.source.block_of[i]
        while block is not None:
            if block.is_code and self._is_error_block(block):
                return True
            if block.kind == "function":
                break
            block = block.parent
        return False

    def _speaks_of_errors(self, statement):
        words = self.source.texts(statement.first, statement.last)
        return words[0] == "throw" or any(_ERROR_WORDS.search(word) for word in words)

    def _is_error_block(self, block):
        head = [self.tokens[i].text for i in block.head]
        if block.kind == "function":
            return bool(_ROLLBACK.search(self._function_name(block)))
        if "catch" in head[:1]:
            return True
        if "if" not in head[:2]:
            return False
        if any(_ERROR_WORDS.search(word) for word in head):
            return not _SUCCESS.search(self.source.between(block.head[-1] - 2, block.head[-1] - 1))
        return any(s.block is block and self._speaks_of_errors(s) for s in self.source.statements)

    # In the condition of an if whose branch fails, or which speaks of errors.
    def _in_failing_condition(self, i):
        for j in range(i, max(i - 80, 0), -1):
            text = self.tokens[j].text
            if text in (";", "{", "}") and self.tokens[j].kind == "sign":
                return False
            if text == "if" and self.tokens[j + 1].text == "(":
                closing = self.source.partner[j + 1]
                if closing < i:
                    return False
                if any(_ERROR_WORDS.search(word) for word in self.source.texts(j + 2, closing)):
                    return True
                follower = closing + 1
                if self.tokens[follower].text != "{":
                    statement = self.source.statement_of[follower]
                    return statement is not None and self._speaks_of_errors(statement)
                return any(
                    s.block.opening == follower and self._speaks_of_errors(s)
                    for s in self.source.statements
                )
        return False
