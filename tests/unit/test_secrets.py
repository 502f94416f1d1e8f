"""A secret is known wherever it hides, and nothing else is taken for one."""

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.secrets import MASK, Keyring, Redactor

TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
KEY = "sk-ant-" + "Aa0_-zZ9" * 13
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(["MIIEpAIBAAKCAQEA" * 4, "b9FQ/+xyzLLm" * 5])
    + "\n-----END RSA PRIVATE KEY-----\n"
)
redactor = Redactor([TOKEN, KEY, PEM, "p@ss/w\u00f6rd &1"])

HIDING_PLACES = {
    "plain": f"token: {TOKEN}.",
    "in a URL": f"https://x-access-token:{TOKEN}@github.com",
    "URL-encoded": "?q=" + quote("p@ss/w\u00f6rd &1", safe=""),
    "URL-encoded in lower case": "?q=" + quote("p@ss/w\u00f6rd &1", safe="").lower(),
    "as a form field": "q=p%40ss%2Fw%C3%B6rd+%261",
    "in JSON": json.dumps({"key": PEM}),
    "one line of a private key": "MIIEpAIBAAKCAQEA" * 4,
    "wrapped base64": base64.encodebytes(b"the key is " + KEY.encode()).decode(),
    "wrapped base64 in JSON": json.dumps(base64.encodebytes(KEY.encode()).decode()),
    **{f"base64 after {n} bytes": base64.b64encode(b"x" * n + TOKEN.encode() + b"tail").decode() for n in range(7)},
    **{
        f"urlsafe base64 after {n} bytes": base64.urlsafe_b64encode(b"\xff" * n + KEY.encode()).decode()
        for n in range(3)
    },
}


@pytest.mark.parametrize("text", HIDING_PLACES.values(), ids=HIDING_PLACES.keys())
def test_a_secret_is_taken_out_of_text(text: str) -> None:
    said = redactor.redact(f"before {text} after")
    assert MASK in said
    assert said.startswith("before ")
    assert not redactor.find([said.encode()])
    for fragment in (TOKEN, KEY, base64.b64encode(KEY.encode()).decode()[8:40]):
        assert fragment not in said


@pytest.mark.parametrize("text", HIDING_PLACES.values(), ids=HIDING_PLACES.keys())
def test_a_secret_is_found_across_the_borders_of_chunks(text: str) -> None:
    data = ("before " + text + " after").encode()
    for size in (1, 2, 7, 64):
        assert redactor.find(data[start : start + size] for start in range(0, len(data), size))


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=300), st.text(max_size=300), st.integers(1, 40))
def test_text_in_pieces_is_redacted_as_a_whole(before: str, after: str, size: int) -> None:
    text = before + TOKEN + after
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert "".join(redactor.redact_chunks(pieces)) == redactor.redact(text)
    assert TOKEN not in redactor.redact(text)


def test_a_secret_spread_over_white_space_silences_the_whole_text() -> None:
    assert redactor.redact((" " * 20).join(TOKEN)) == MASK


def test_other_text_is_left_alone() -> None:
    text = f"{TOKEN[:-1]} is not it, nor is {base64.b64encode(b'nothing').decode()} %2F\n"
    assert redactor.redact(text) == text
    assert not redactor.find([text.encode()])


def test_short_values_and_no_values_redact_nothing() -> None:
    assert Redactor(["", "abc"]).redact("abc abc") == "abc abc"
    assert "".join(Redactor([]).redact_chunks(["a", "b"])) == "ab"
    assert not Redactor([]).find([b"abc"])


def test_a_token_is_learned_without_holding_anything_up() -> None:
    key = "\n".join(f"{n:04}" + "Ab9/" * 15 for n in range(50))
    began = time.process_time()
    keyring = Keyring([key])
    for n in range(10):
        keyring.add(f"{TOKEN}{n}")
    assert keyring.redact(f"{TOKEN}3 and no more") == f"{MASK} and no more"
    assert time.process_time() - began < 2
