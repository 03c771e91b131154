"""Words, texts and signs of a condition, each with its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from holdfast.errors import InvalidInputError

SIGNS: Final = ("=", "!=", "<", "<=", ">", ">=")
_SIGN_CHARACTERS: Final = frozenset("=!<>")
_BRACKETS: Final = frozenset("(),")
_QUOTES: Final = frozenset("\"'")
_MEANT: Final = {"==": "=", "<>": "!=", "=>": ">=", "=<": "<=", "!": "not"}
_SHOWN: Final = 32


@dataclass(frozen=True, slots=True)
class Token:
    """One word, quoted text, sign or bracket.

    Attributes:
        text: As it is written; of a quoted text, what is between the quotes.
        position: Number of its first character, from 1.
        parts: Of a word, what stands between its dots: `metric."f1 score"` has two.
    """

    kind: Literal["word", "text", "sign", "bracket", "end"]
    text: str
    position: int
    parts: tuple[str, ...] = ()

    def is_word(self, *words: str) -> bool:
        """Tell whether it is one of these words, in upper or lower case, without quotes."""
        return self.kind == "word" and self.text.lower() in words


def refusal(subject: str, token: Token, problem: str, advice: str = "") -> InvalidInputError:
    """Return an error that says where in *subject* what is wrong; *problem* starts with a verb."""
    if token.kind == "end":
        return InvalidInputError(f"end of {subject}", problem, advice)
    shown = token.text if len(token.text) <= _SHOWN else f"{token.text[: _SHOWN - 1]}…"
    return InvalidInputError(f"{subject} at character {token.position} ({shown})", problem, advice)


def tokens(text: str, subject: str) -> list[Token]:
    """Divide a text into tokens; the last one is its end.

    Raises:
        InvalidInputError: If a quote is not closed, or a sign is unknown.
    """
    return [*_tokens(text, subject), Token("end", "", len(text) + 1)]


def _tokens(text: str, subject: str) -> Iterator[Token]:
    start = 0
    while start < len(text):
        character = text[start]
        if character.isspace():
            start += 1
        elif character in _BRACKETS:
            yield Token("bracket", character, start + 1)
            start += 1
        elif character in _QUOTES:
            inner, end = _quoted(text, start, subject)
            yield Token("text", inner, start + 1, (inner,))
            start = end
        elif character in _SIGN_CHARACTERS:
            end = _run(text, start, _SIGN_CHARACTERS)
            yield _sign(text[start:end], start, subject)
            start = end
        else:
            parts, end = _word(text, start, subject)
            yield Token("word", text[start:end], start + 1, parts)
            start = end


def _run(text: str, start: int, characters: frozenset[str]) -> int:
    end = start
    while end < len(text) and text[end] in characters:
        end += 1
    return end


def _sign(sign: str, start: int, subject: str) -> Token:
    token = Token("sign", sign, start + 1)
    if sign not in SIGNS:
        meant = _MEANT.get(sign)
        advice = f"write {meant}" if meant else f"use one of {' '.join(SIGNS)}"
        raise refusal(subject, token, "is not a comparison", advice)
    return token


def _quoted(text: str, start: int, subject: str) -> tuple[str, int]:
    """Read a quoted text; a quote in it is written twice. Return it and where it ends."""
    quote, pieces, here = text[start], [], start + 1
    while True:
        end = text.find(quote, here)
        if end < 0:
            token = Token("text", text[start:], start + 1)
            raise refusal(subject, token, "has no closing quote", f"end the text with {quote}")
        pieces.append(text[here:end])
        if text[end + 1 : end + 2] != quote:
            return quote.join(pieces), end + 1
        here = end + 2


def _word(text: str, start: int, subject: str) -> tuple[tuple[str, ...], int]:
    """Read a word, with quoted parts behind its dots. Return its parts and where it ends."""
    parts: list[str] = []
    here = start
    while True:
        end = _word_end(text, here)
        pieces = text[here:end].split(".")
        if pieces[-1] or end >= len(text) or text[end] not in _QUOTES:
            return (*parts, *pieces), end
        inner, here = _quoted(text, end, subject)
        parts += [*pieces[:-1], inner]
        if text[here : here + 1] != ".":
            return tuple(parts), here
        here += 1


def _word_end(text: str, start: int) -> int:
    end = start
    while end < len(text):
        character = text[end]
        if character.isspace() or character in _BRACKETS | _QUOTES | _SIGN_CHARACTERS:
            break
        end += 1
    return end
