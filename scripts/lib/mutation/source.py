# SPDX-License-Identifier: Apache-2.0
"""A C++ source as tokens, blocks and statements: as much of the language as the mutations need, for
code that clang-format has laid out. Comments and preprocessor lines are no tokens."""

import bisect
import re

# What is mutated: the libraries.
FOLDERS = ("producer", "consumer", "ipc", "directory", "volume", "bindings/c")

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<directive>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
  | (?P<string>(?:u8|[uUL])?(?:R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"))
  | (?P<char>'(?:\\.|[^'\\\n])+')
  | (?P<number>\.?\d(?:[\w.']|[eEpP][+-])*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<sign><=>|->\*|\.\.\.|<<=|>>=|::|->|\+\+|--|&&|\|\||[-+*/%&|^=!<>]=|<<|.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

_CONTROL = {"if", "for", "while", "switch", "catch"}
_OPENERS = {"(": ")", "[": "]", "{": "}"}


class Token:
    __slots__ = ("kind", "text", "start", "end")

    def __init__(self, kind, text, start):
        self.kind, self.text, self.start, self.end = kind, text, start, start + len(text)


class Block:
    """A pair of braces. Its kind is namespace, type, function, lambda, control (also a bare scope) or
    value; its head are the tokens that introduce it."""

    def __init__(self, kind, opening, closing, head, parent):
        self.kind, self.opening, self.closing, self.head = kind, opening, closing, head
        self.parent = parent

    @property
    def is_code(self):
        return self.kind in ("function", "lambda", "control")


class Statement:
    """Tokens first to last, a simple statement with its semicolon, directly in `block`."""

    def __init__(self, first, last, block):
        self.first, self.last, self.block = first, last, block


class Source:
    def __init__(self, path, text):
        self.path, self.text = path, text
        self._line_starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self.tokens = [
            Token(m.lastgroup if m.lastgroup != "mark" else "string", m.group(), m.start())
            for m in _TOKEN.finditer(text)
            if m.lastgroup not in ("space", "comment", "directive")
        ]
        self.partner = self._match_brackets()
        self.blocks = []
        self.block_of = [None] * len(self.tokens)
        self._find_blocks()
        self.statements = []
        self.statement_of = [None] * len(self.tokens)
        for block in self.blocks:
            if block.is_code:
                self._find_statements(block)

    def line_and_column(self, offset):
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line_text(self, line):
        return self.text[self._line_starts[line - 1] :].split("\n", 1)[0].strip()

    def texts(self, first, last):
        return [token.text for token in self.tokens[first : last + 1]]

    def between(self, first, last):
        """The text from one token to another, as it stands."""
        return self.text[self.tokens[first].start : self.tokens[last].end]

    def is_spaced(self, i):
        """Whether white space is on both sides: clang-format tells operators from brackets so."""
        token = self.tokens[i]
        around = self.text[token.start - 1 : token.start] + self.text[token.end : token.end + 1]
        return len(around) == 2 and around.isspace()

    def top_level(self, first, last):
        """The indices from first to last that are in no bracket opened after first."""
        i = first
        while i <= last:
            yield i
            if self.tokens[i].text in _OPENERS and self.partner.get(i, i) <= last:
                i = self.partner.get(i, i)
                yield i
            i += 1

    def _match_brackets(self):
        partner, open_ones = {}, []
        for i, token in enumerate(self.tokens):
            if token.kind != "sign":
                continue
            if token.text in _OPENERS:
                open_ones.append(i)
            elif token.text in _OPENERS.values() and open_ones:
                j = open_ones.pop()
                partner[i], partner[j] = j, i
        return partner

    def _find_blocks(self):
        enclosing = []
        for i, token in enumerate(self.tokens):
            while enclosing and i > enclosing[-1].closing:
                enclosing.pop()
            parent = enclosing[-1] if enclosing else None
            if token.kind == "sign" and token.text == "{" and i in self.partner:
                head = self._head_of(i)
                block = Block(self._kind_of(i, head, parent), i, self.partner[i], head, parent)
                self.blocks.append(block)
                enclosing.append(block)
            self.block_of[i] = enclosing[-1] if enclosing else None

    # The tokens before a brace, back to the end of the statement or declaration before it.
    def _head_of(self, brace):
        i = brace - 1
        while i >= 0:
            text = self.tokens[i].text
            if text in (")", "]"):
                i = self.partner.get(i, i) - 1
                continue
            if text == "}":
                opening = self.partner.get(i, i)
                member = self.tokens[opening - 1].kind == "word" and self.tokens[
                    opening - 2
                ].text in (",", ":")
                if not member:
                    break
                i = opening - 1
                continue
            if text in (";", "{", "(", "["):
                break
            i -= 1
        return range(i + 1, brace)

    def _kind_of(self, brace, head, parent):
        in_code = parent is not None and (parent.is_code or parent.kind == "value")
        if not head:
            inside_call = brace > 0 and self.tokens[brace - 1].text in ("(", "[")
            return "control" if in_code and parent.is_code and not inside_call else "value"
        top = list(self.top_level(head[0], head[-1]))
        words = [self.tokens[i].text for i in top]
        if words[-1] in ("else", "do", "try"):
            return "control"
        groups = [i for i in top if self.tokens[i].text == ")"]
        if groups:
            opening = self.partner[groups[-1]]
            before = self.tokens[opening - 1].text
            if before == "constexpr":
                before = self.tokens[opening - 2].text
            if before in _CONTROL and groups[-1] == brace - 1:
                return "control"
            after = words[top.index(groups[-1]) + 1 :]
            if before == "]" and not {"=", ",", "return"} & set(after):
                return "lambda"
        if words[-1] == "]":
            return "lambda"
        if in_code:
            return "control" if words[-1] == ":" else "value"
        if "namespace" in words:
            return "namespace"
        if {"class", "struct", "union", "enum"} & set(words) and not groups:
            return "type"
        return "function" if groups and "=" not in words else "value"

    def _find_statements(self, block):
        i = block.opening + 1
        while i < block.closing:
            text = self.tokens[i].text
            if text == "{":
                i = self.partner[i] + 1
            elif text in _CONTROL:
                while self.tokens[i].text != "(":
                    i += 1
                i = self.partner[i] + 1
            elif text in ("else", "do", "try"):
                i += 1
            elif text in ("case", "default"):
                while self.tokens[i].text != ":":
                    i += 1
                i += 1
            else:
                end = i
                for end in self.top_level(i, block.closing - 1):
                    if self.tokens[end].text == ";":
                        break
                statement = Statement(i, end, block)
                self.statements.append(statement)
                for j in range(i, end + 1):
                    self.statement_of[j] = statement
                i = end + 1


def sources_of(root):
    """All of the libraries by name, rooms within a folder included; not their benchmarks."""
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.[ch]pp"))]
    paths = [path for path in paths if path.name != "bench.cpp"]
    names = [path.relative_to(root).as_posix() for path in paths]
    return {name: Source(name, path.read_text()) for name, path in zip(names, paths)}


def folder_of(name):
    """Of a source's name in the tree."""
    return next(folder for folder in FOLDERS if name.startswith(f"{folder}/"))


def name_in_tree(path):
    """A source's name from the tree's root on, whatever the path starts with; of others nothing."""
    start = max(f"/{path}".rfind(f"/{folder}/") for folder in FOLDERS)
    return path[start:] if start >= 0 else ""
