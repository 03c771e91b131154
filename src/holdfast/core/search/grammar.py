"""The grammar of conditions and of orders, read by one function for each rule."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, cast

from holdfast.core.search.conditions import Condition, Every, Not, Predicate, Sign, Some
from holdfast.core.search.lexing import Token, refusal, tokens
from holdfast.core.search.literals import literal
from holdfast.core.search.searchable import FAMILIES, Kind, SearchField, field, likely
from holdfast.errors import InvalidInputError

MAX_LENGTH: Final = 4_000
"""Characters of a condition."""

MAX_DEPTH: Final = 50
"""Brackets and `not` within one another."""

_MAX_TERMS: Final = 8
_ORDERED: Final = frozenset({"number", "time", "version", "any"})
_WORDED: Final = frozenset({"text", "any"})
_KIND_NAMES: Final[dict[Kind, str]] = {
    "number": "a number",
    "text": "a text",
    "choice": "a choice",
    "version": "a version",
    "time": "a time",
    "flag": "true or false",
    "any": "a value",
}


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """A field to sort by; *position* is that of its name in the text, from 1."""

    field: SearchField
    descending: bool
    position: int


def parse(text: str, subject: str = "where") -> Condition:
    """Read a condition.

    Args:
        text: Such as `recall > 0.9 and tag.team = "risk"`.
        subject: What errors call it.

    Raises:
        InvalidInputError: If it is not one, with the place; or it is too long or too deep.
    """
    reader = _Reader(_divided(text, subject), subject)
    condition = reader.alternatives(0)
    if reader.token.kind != "end":
        raise refusal(
            subject, reader.token, "follows a complete condition", "join conditions by and, or"
        )
    return condition


def parse_order(text: str, subject: str = "order_by") -> tuple[OrderTerm, ...]:
    """Read an order such as `metric.recall desc, registered_at`.

    Raises:
        InvalidInputError: If it is not one, with the place.
    """
    reader = _Reader(_divided(text, subject), subject)
    terms = [reader.order_term()]
    while reader.takes_bracket(","):
        terms.append(reader.order_term())
    if reader.token.kind != "end":
        raise refusal(subject, reader.token, "follows a field", "write FIELD asc, FIELD desc")
    if len(terms) > _MAX_TERMS:
        raise InvalidInputError(subject, f"has {len(terms)} fields, more than {_MAX_TERMS}")
    return tuple(terms)


def _divided(text: str, subject: str) -> list[Token]:
    if not isinstance(text, str):
        raise InvalidInputError(subject, f"must be text, not {text!r}")
    if len(text) > MAX_LENGTH:
        raise InvalidInputError(subject, f"has {len(text):,} characters, more than {MAX_LENGTH:,}")
    return tokens(text, subject)


def check_metrics(
    asked: Iterable[Predicate | OrderTerm], known: Collection[str], subject: str
) -> None:
    """Check that each name written without a family is a metric that some version has.

    Raises:
        InvalidInputError: If one is not: it may be a typing error, so the nearest names are listed.
    """
    for use in asked:
        if use.field.metric is not None and use.field.metric not in known:
            token = Token("word", use.field.name, use.position)
            near = likely(use.field.name, known)
            advice = f"nearest: {', '.join(near)}; " if near else ""
            problem = "is neither a field nor a metric of any version searched"
            raise refusal(
                subject, token, problem, f"{advice}write metric.NAME if none may have it yet"
            )


class _Reader:
    """The place that was reached among the tokens of a text."""

    def __init__(self, read: list[Token], subject: str) -> None:
        self._tokens = read
        self._subject = subject
        self._next = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self.token
        self._next += token.kind != "end"
        return token

    def _takes_word(self, word: str) -> bool:
        is_taken = self.token.is_word(word)
        self._next += is_taken
        return is_taken

    def takes_bracket(self, bracket: str) -> bool:
        is_taken = self.token.kind == "bracket" and self.token.text == bracket
        self._next += is_taken
        return is_taken

    def alternatives(self, depth: int) -> Condition:
        return self._joined("or", lambda: self._joined("and", lambda: self._part(depth)))

    def _joined(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._takes_word(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return Some(tuple(parts)) if word == "or" else Every(tuple(parts))

    def _part(self, depth: int) -> Condition:
        token = self.token
        if depth > MAX_DEPTH:
            raise refusal(self._subject, token, f"is nested over {MAX_DEPTH} deep", "flatten it")
        if self._takes_word("not"):
            return Not(self._part(depth + 1))
        if not self.takes_bracket("("):
            return self._comparison()
        inner = self.alternatives(depth + 1)
        if not self.takes_bracket(")"):
            problem = f"must be ), which closes the ( at character {token.position}"
            raise refusal(self._subject, self.token, problem)
        return inner

    def _comparison(self) -> Condition:
        token = self.token
        asked = self._field()
        if self._takes_word("is"):
            negated = self._takes_word("not")
            if not self._takes_word("null"):
                raise refusal(self._subject, self.token, "must be null", "write `is null`")
            predicate = Predicate(asked, "null", (), token.position)
            return Not(predicate) if negated else predicate
        negated = self._takes_word("not")
        sign = self._take()
        self._check_sign(asked, sign, negated=negated)
        if sign.is_word("in"):
            literals, compared = self._list(asked), "="
        else:
            compared = "=" if sign.text == "!=" else sign.text.lower()
            literals = (self._literal(asked, cast("Sign", compared)),)
        predicate = Predicate(asked, cast("Sign", compared), literals, token.position)
        return Not(predicate) if negated or sign.text == "!=" else predicate

    def _field(self) -> SearchField:
        token = self._take()
        if token.kind not in ("word", "text") or token.is_word("and", "or", "in", "like"):
            raise refusal(self._subject, token, "must be the name of a field")
        asked = field(token.text, token.parts, quoted=token.kind == "text")
        if asked is None:
            word = token.parts[0]
            advice = f"write {word}.NAME" if word in FAMILIES else ""
            raise refusal(self._subject, token, "names nothing", advice)
        return asked

    def _check_sign(self, asked: SearchField, sign: Token, *, negated: bool) -> None:
        in_words = sign.is_word("in", "like", "contains")
        if not in_words and (negated or sign.kind != "sign"):
            hint = f"write {asked.name} = true" if asked.kind == "flag" else ""
            problem = f"must be a comparison with {asked.name}"
            raise refusal(self._subject, sign, problem, hint)
        if sign.is_word("like", "contains"):
            fits = asked.kind in _WORDED
        elif sign.is_word("in"):
            fits = asked.kind != "flag"
        else:
            fits = sign.text in ("=", "!=") or asked.kind in _ORDERED
        if not fits:
            problem = f"cannot be asked of {asked.name}, which is {_KIND_NAMES[asked.kind]}"
            raise refusal(self._subject, sign, problem, "write = or !=")

    def _literal(self, asked: SearchField, sign: Sign) -> object:
        return literal(asked, sign, self._take(), self._subject)

    def _list(self, asked: SearchField) -> tuple[object, ...]:
        if not self.takes_bracket("("):
            problem = "must be ( and values with commas between them"
            raise refusal(self._subject, self.token, problem)
        literals = [self._literal(asked, "=")]
        while self.takes_bracket(","):
            literals.append(self._literal(asked, "="))
        if not self.takes_bracket(")"):
            raise refusal(self._subject, self.token, "must be , or )")
        return tuple(literals)

    def order_term(self) -> OrderTerm:
        token = self.token
        asked = self._field()
        if asked.is_list:
            raise refusal(self._subject, token, "has several values, so nothing sorts by it")
        descending = self._takes_word("desc")
        if not descending:
            self._takes_word("asc")
        return OrderTerm(asked, descending, token.position)
