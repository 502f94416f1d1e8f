"""Know a secret when we see one, plain or encoded, and keep it from whatever leaves this machine."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SHORTEST = 8  # a shorter value would blank out half of what people write

# `base64` and terminals break long lines; a few characters of white space inside a secret do not hide it.
_GAP = r"(?:[ \t\r\n]|\\n){0,4}"
_GAP_LENGTH = 8
_SPACES = b" \t\r\n"


class Keyring:
    """The secrets that this process knows now; it grows as tokens are issued, and forgets the oldest of those."""

    _ISSUED = 200

    def __init__(self, secrets: Iterable[str]) -> None:
        self._lasting = tuple(secrets)
        self._issued: list[str] = []
        self._redactor = Redactor(self._lasting)

    @property
    def values(self) -> tuple[str, ...]:
        """All of them."""
        return (*self._lasting, *self._issued)

    def add(self, secret: str) -> None:
        """Know one more."""
        self._issued = [*self._issued, secret][-self._ISSUED :]
        self._redactor = Redactor(self.values)

    def redact(self, text: str) -> str:
        """The text with every secret in it replaced."""
        return self._redactor.redact(text)


class Redactor:
    """The secrets known at one moment: finds them in bytes, takes them out of text.

    Each is looked for as it is, URL-encoded, as a JSON string, and in base64 wherever it begins in the encoded text.
    A secret of many lines (a private key) is also looked for line by line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {value for secret in secrets for value in _parts(secret)}
        forms = sorted({form for value in values for form in _forms(value)}, key=lambda form: (-len(form), form))
        self._forms = {form: _squeeze(form.encode()).rstrip(b"\\") for form in forms}
        self._needles = tuple(set(self._forms.values()))
        self._reach = max((len(form) * (1 + _GAP_LENGTH) for form in forms), default=0)

    def redact(self, text: str) -> str:
        """The text with every secret in it replaced."""
        pattern = self.pattern(text)
        if pattern is None:
            return text
        redacted = pattern.sub(MASK, text)
        # Found, but not where a person would see it (spread over a screen of white space): say nothing at all.
        return MASK if self.find([redacted.encode(errors="surrogateescape")]) else redacted

    def pattern(self, text: str) -> re.Pattern[str] | None:
        """What matches the secrets that are in this text; None where there are none.

        Of those alone: to compile a pattern of everything that a private key may look like takes seconds.
        """
        squeezed = _squeeze(text.encode(errors="surrogateescape"))
        found = [form for form, needle in self._forms.items() if needle in squeezed]
        return re.compile("|".join(_spaced(form) for form in found)) if found else None

    def redact_chunks(self, chunks: Iterable[str]) -> Iterator[str]:
        """The same for text that comes in pieces: a secret cut by a border is still seen."""
        stream = self.stream()
        for chunk in chunks:
            yield stream.feed(chunk)
        yield stream.close()

    def find(self, chunks: Iterable[bytes]) -> bool:
        """Whether a secret is in this stream of bytes, also across the borders of its chunks."""
        scanner = self.scanner()
        return any(scanner.feed(chunk) for chunk in chunks)

    def scanner(self) -> "Scanner":
        """A fresh look at one stream, for a caller that gets its chunks one by one."""
        return Scanner(self._needles)

    def stream(self) -> "Stream":
        """A fresh stream of text, for a caller that gets it piece by piece."""
        return Stream(self, self._reach)


class Scanner:
    """One stream of bytes being read; remembers as much of its end as a secret could begin in."""

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        self._needles = needles
        self._keep = max((len(needle) for needle in needles), default=1) - 1
        self._tail = b""
        self._escape = b""
        self.found = False

    def feed(self, chunk: bytes) -> bool:
        """Take the next chunk; True from the moment a secret was seen."""
        if not self.found and self._needles:
            chunk = self._escape + chunk
            self._escape = b"\\" if chunk.endswith(b"\\") else b""  # perhaps half of an escaped line break
            text = self._tail + _squeeze(chunk[: len(chunk) - len(self._escape)])
            self.found = any(needle in text for needle in self._needles)
            self._tail = text[len(text) - self._keep :] if len(text) > self._keep else text
        return self.found


class Stream:
    """Text on its way out; holds back its last characters until what follows shows they are harmless."""

    def __init__(self, redactor: Redactor, reach: int) -> None:
        self._redactor = redactor
        self._reach = reach
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece; give back what may leave now."""
        self._held += text
        cut = max(0, len(self._held) - self._reach)
        pattern = self._redactor.pattern(self._held)
        for match in pattern.finditer(self._held) if pattern else ():
            if match.start() < cut < match.end():
                cut = match.start()
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._redactor.redact(ready)

    def close(self) -> str:
        """The end was reached: give back what was held."""
        ready, self._held = self._held, ""
        return self._redactor.redact(ready)


def _parts(secret: str) -> Iterator[str]:
    stripped = secret.strip()
    if len(stripped) >= SHORTEST:
        yield stripped
    lines = stripped.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= 40 and not line.startswith("-----"))


def _forms(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    for offset in range(3):  # base64 encodes three bytes at a time: a secret can begin at any of them
        raw = b"\0" * offset + value.encode()
        first = -(-offset * 8 // 6)  # whole characters that are the secret's alone
        last = len(raw) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(raw).decode()[first:last]


def _squeeze(text: bytes) -> bytes:
    return text.translate(None, _SPACES).replace(b"\\n", b"")


def _spaced(form: str) -> str:
    return _GAP.join(re.escape(character) for character in re.sub(r"[ \t\r\n]|\\n", "", form))
