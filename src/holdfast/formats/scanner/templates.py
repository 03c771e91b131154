"""Chat templates: a small part of Jinja that only puts messages into their places.

Jinja is a language, and whoever renders a template may run it unguarded. So a template is not
searched for what is bad in it: it is parsed, and passes only if all of it is known to be harmless.
Of an object a template may read these fields and call these methods, named outright; no name is
ever computed, and text has no escapes but for line breaks, tabs and quotes.
"""

import re
from dataclasses import dataclass

from holdfast.formats.scanner.findings import UnreadableError

_DEEPEST = 60  # brackets and blocks in one another
_MOST = 50_000  # tokens

_VARIABLES = frozenset((
    "add_generation_prompt", "bos_token", "custom_tools", "date_string", "documents",
    "enable_thinking", "eos_token", "messages", "pad_token", "strftime_now", "tools", "unk_token",
))  # fmt: skip
_FIELDS = frozenset((
    "arguments", "content", "description", "first", "function", "id", "index", "index0",
    "items", "keys", "last", "length", "name", "parameters", "properties", "reasoning_content",
    "required", "role", "text", "thinking", "tool_call_id", "tool_calls", "tools", "type", "values",
))  # fmt: skip
_METHODS = frozenset((
    "endswith", "get", "items", "keys", "lower", "lstrip", "rstrip", "split", "startswith",
    "strip", "title", "upper", "values",
))  # fmt: skip
_FUNCTIONS = frozenset(("namespace", "raise_exception", "range", "strftime_now"))
_FILTERS = frozenset((
    "capitalize", "default", "first", "int", "items", "join", "last", "length", "list", "lower",
    "reverse", "safe", "string", "title", "tojson", "trim", "upper",
))  # fmt: skip
_TESTS = frozenset((
    "defined", "even", "false", "integer", "iterable", "mapping", "none", "number", "odd",
    "sequence", "string", "true", "undefined",
))  # fmt: skip
_KEYWORDS = frozenset((
    "and", "elif", "else", "endfor", "endif", "endset", "for", "if", "in", "is", "not", "or", "set",
))  # fmt: skip
_CONSTANTS = frozenset(("true", "false", "none", "True", "False", "None"))
_KEYS = _FIELDS | {"assistant", "ipython", "model", "system", "tool", "user"}
"""Texts that may stand in brackets."""

_OPEN = re.compile(r"\{\{|\{%|\{#")
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<name>[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)(?!\w)"""
    r"""|(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)(?!\w)"""
    r"""|(?P<text>'(?:[^'\\]|\\[nrt'"])*'|"(?:[^"\\]|\\[nrt'"])*")"""
    r"""|(?P<end>[-+]?(?:\}\}|%\}))"""
    r"""|(?P<sign>==|!=|<=|>=|[-+*/%~<>=|.,:()\[\]{}])""",
    re.ASCII,
)
_INNER = re.compile(r"(ag|co|cr|f|func|gi|tb)_")  # how frames and code are reached
_BINARY = ({"or"}, {"and"}, {"==", "!=", "<", ">", "<=", ">=", "in"}, {"+", "-", "~"}, {"/"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def check_template(text: str) -> None:
    """Parse *text* as a chat template.

    Raises:
        UnreadableError: If anything in it is not of the part that is known to be harmless.
    """
    try:
        _Parser(_tokens(text)).template()
    except UnreadableError as error:
        raise UnreadableError(f"a chat template with {error}") from error


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while opening := _OPEN.search(text, at):
        at = opening.end()
        if opening[0] == "{#":
            at = text.find("#}", at) + 2
            if at < 2:  # noqa: PLR2004 - not found
                raise UnreadableError("a comment that does not end")
            continue
        at += text[at : at + 1] in ("-", "+")
        tokens.append(_Token("open", opening[0]))
        at = _inside(text, at, tokens)
        if len(tokens) > _MOST:
            raise UnreadableError("more in it than any honest one")
    tokens.append(_Token("stop", "its end"))
    return tokens


def _inside(text: str, at: int, tokens: list[_Token]) -> int:
    """Add the tokens of one pair of braces; return where they end."""
    depth = 0
    while token := _TOKEN.match(text, at):
        kind, word = str(token.lastgroup), token[0]
        if kind == "end" and not (word == "}}" and depth):
            tokens.append(_Token("close", word.lstrip("-+")))
            return token.end()
        if kind == "end":  # of a table in a table
            kind, word = "sign", "}"
        at += len(word)
        depth += (word == "{") - (word == "}")
        if kind != "space":
            tokens.append(_Token(kind, word))
    raise UnreadableError(f"{text[at : at + 12]!a} at character {at}")


class _Parser:
    """Parses by descent; names that the template itself sets are known from there on."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._names = set(_VARIABLES)
        self._own: set[str] = set()  # fields of namespaces

    def template(self) -> None:
        """Parse all of it."""
        self._body(())
        self._expect("stop")

    # tokens

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str, kinds: tuple[str, ...] = ("name", "sign")) -> bool:
        if self._next.text in texts and self._next.kind in kinds:
            self._at += 1
            return True
        return False

    def _expect(self, kind: str, *texts: str) -> str:
        token = self._next
        if token.kind != kind or (texts and token.text not in texts):
            raise UnreadableError(f"{token.text[:40]!r} where it may not stand")
        self._at += 1
        return token.text

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableError("too much within one another")

    # statements

    def _body(self, ends: tuple[str, ...]) -> str:
        """Parse up to a statement of *ends*, or to the template's end; return which."""
        self._deeper()
        while self._next.kind == "open":
            if self._expect("open") == "{{":
                self._expression()
                self._expect("close", "}}")
                continue
            word = self._expect("name", "if", "for", "set", *ends)
            if word in ends:
                self._depth -= 1
                return word
            {"if": self._if, "for": self._for, "set": self._set}[word]()
        self._depth -= 1
        if ends:
            raise UnreadableError("a block that does not end")
        return ""

    def _close(self) -> None:
        self._expect("close", "%}")

    def _if(self) -> None:
        end = "elif"
        while end == "elif":
            self._expression()
            self._close()
            end = self._body(("elif", "else", "endif"))
        if end == "else":
            self._close()
            self._body(("endif",))
        self._close()

    def _for(self) -> None:
        names = [self._variable()]
        while self._take(","):
            names.append(self._variable())
        self._expect("name", "in")
        self._expression(conditional=False)
        self._names.update((*names, "loop"))
        if self._take("if"):
            self._expression()
        self._close()
        if self._body(("else", "endfor")) == "else":
            self._close()
            self._body(("endfor",))
        self._close()

    def _set(self) -> None:
        name = self._variable()
        if self._take("."):  # of a namespace
            self._own.add(self._expect("name"))
        if self._take("="):
            self._expression()
            self._close()
        else:
            self._close()
            self._body(("endset",))
            self._close()
        self._names.add(name)

    def _variable(self) -> str:
        name = self._expect("name")
        if name in _KEYWORDS | _CONSTANTS | _FUNCTIONS | {"loop"}:
            raise UnreadableError(f"a value named {name}")
        self._names.add(name)
        return name

    # expressions

    def _expression(self, *, conditional: bool = True) -> None:
        self._deeper()
        self._binary(0)
        while conditional and self._take("if"):
            self._binary(0)
            if self._take("else"):
                self._expression()
        self._depth -= 1

    def _binary(self, level: int) -> None:
        if level == len(_BINARY):
            self._unary()
            return
        while self._take("not"):
            pass
        self._binary(level + 1)
        while True:
            if self._take("%"):  # of numbers; of text it would be another way to format
                self._expect("number")
                continue
            if self._take("not"):  # "not in"
                self._expect("name", "in")
            elif not self._take(*_BINARY[level]):
                return
            self._binary(level + 1)

    def _unary(self) -> None:
        while self._take("-", "+", "not"):
            pass
        has_fields = self._primary()
        self._postfix(has_fields)

    def _primary(self) -> bool:
        """Parse a value; tell whether it is one that has fields: no text, number or constant."""
        token = self._next
        self._at += 1
        if token.kind in ("text", "number"):
            return token.kind == "text"
        if token.kind == "name":
            self._name(token.text)
            return True
        if token.text == "(" and token.kind == "sign":
            self._listed(")")
        elif token.text == "[" and token.kind == "sign":
            self._listed("]")
        elif token.text == "{" and token.kind == "sign":
            self._listed("}")
        else:
            raise UnreadableError(f"{token.text[:40]!r} where a value should be")
        return True

    def _name(self, name: str) -> None:
        if name in _FUNCTIONS and self._take("("):
            self._arguments()
        elif name in _KEYWORDS or name not in self._names | _CONSTANTS:
            raise UnreadableError(f"the unknown name {name}")

    def _listed(self, end: str) -> None:
        while not self._take(end):
            self._expression()
            if end == "}":
                self._expect("sign", ":")
                self._expression()
            if not self._take(","):
                self._expect("sign", end)
                return

    def _arguments(self) -> None:
        while not self._take(")"):
            following = self._tokens[self._at + 1]
            if self._next.kind == "name" and following == _Token("sign", "="):
                self._own.add(self._expect("name"))
                self._expect("sign", "=")
            self._expression()
            if not self._take(","):
                self._expect("sign", ")")
                return

    def _postfix(self, has_fields: bool) -> None:  # noqa: FBT001 - one caller
        while True:
            if self._take("."):
                if not has_fields:
                    raise UnreadableError("a field of a number")
                self._field()
            elif self._take("["):
                self._subscript()
            elif self._take("|"):
                self._filter()
            elif self._take("is"):
                self._take("not")
                self._expect("name", *_TESTS)
            else:
                return

    def _field(self) -> None:
        name = self._expect("name")
        if self._take("("):
            if name not in _METHODS:
                raise UnreadableError(f"a call of {name}")
            self._arguments()
        elif name not in _FIELDS and (name not in self._own or _INNER.match(name)):
            raise UnreadableError(f"the field {name}")

    def _filter(self) -> None:
        name = self._expect("name", *_FILTERS)
        if not self._take("("):
            return
        if name != "join":
            self._arguments()
        elif not self._take(")"):
            self._expression()
            self._expect("sign", ")")  # what may follow names an attribute, which is looked up

    def _subscript(self) -> None:
        """Parse a key, written outright, or the bounds of a slice; no text is computed here."""
        while not self._take("]"):
            token = self._next
            if token.kind == "text":
                self._at += 1
                if token.text[1:-1] not in _KEYS:
                    raise UnreadableError(f"the key {token.text[:40]}")
            elif token.kind == "number" or (token.kind == "sign" and token.text in "+-*:"):
                self._at += 1
            elif token == _Token("name", "loop"):
                self._at += 1
                self._expect("sign", ".")
                self._expect("name", "index", "index0", "length")
            else:
                raise UnreadableError(f"{token.text[:40]!r} in brackets")
