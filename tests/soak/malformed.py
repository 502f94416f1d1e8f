"""A grammar of requests that nobody should send, and a few that GitHub does, as bytes for a raw socket.

Each is made from one number, so that one that breaks something can be made again: `request(secret, seed)`.
"""

import gzip
import hashlib
import hmac
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

Header = tuple[bytes, bytes]
Choice = random.Random


class Manner(Enum):
    """How the client behaves."""

    whole = "in one piece"
    pieces = "in pieces"
    slowly = "in pieces, slowly"
    leaves = "leaves in the middle"
    resets = "resets the connection in the middle"
    deaf = "does not wait for the answer"


@dataclass(frozen=True, slots=True)
class Wire:
    """What is sent. `is_valid`: as GitHub would send it, to be answered 202."""

    seed: int
    data: bytes
    manner: Manner
    is_valid: bool


def request(secret: bytes, seed: int) -> Wire:
    """One in sixteen is a valid webhook; the others are wrong in one to three places."""
    dice = random.Random(seed)
    if seed % 16 == 0:
        return Wire(seed, _valid(dice, secret, seed), Manner.whole, is_valid=True)
    method, target, version = _line(dice)
    body = _body(dice)
    headers = _as_github(body, secret, f"bad-{seed}")
    for _ in range(dice.randint(1, 3)):
        headers, body = dice.choice(_WRONGS)(dice, headers, body)
    data = b"%s %s %s\r\n" % (method, target, version)
    data += b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n" + body
    if dice.random() < 0.05:
        data = _damaged(dice, data)
    manners = [*[Manner.whole] * 12, *[Manner.pieces] * 4, *list(Manner)]
    return Wire(seed, data, dice.choice(manners), is_valid=False)


def _valid(dice: Choice, secret: bytes, seed: int) -> bytes:
    """A webhook that means nothing to us."""
    event = dice.choice(["ping", "star", "watch", "push", "check_suite"])
    body = json.dumps({"zen": "ö" * dice.randint(0, 200), "n": seed}, ensure_ascii=False).encode()
    headers = [
        (name, event.encode() if name == b"X-GitHub-Event" else v)
        for name, v in _as_github(body, secret, f"good-{seed}")
    ]
    return b"POST /webhooks/github HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % one for one in headers) + b"\r\n" + body


def _as_github(body: bytes, secret: bytes, guid: str) -> list[Header]:
    return [
        (b"Host", b"127.0.0.1"),
        (b"User-Agent", b"GitHub-Hookshot/soak"),
        (b"Accept", b"*/*"),
        (b"Content-Type", b"application/json"),
        (b"X-GitHub-Event", b"issues"),
        (b"X-GitHub-Delivery", guid.encode()),
        (b"X-GitHub-Hook-ID", b"7"),
        (b"X-Hub-Signature-256", b"sha256=" + hmac.digest(secret, body, hashlib.sha256).hex().encode()),
        (b"Content-Length", str(len(body)).encode()),
        (b"Connection", b"close"),
    ]


def _line(dice: Choice) -> tuple[bytes, bytes, bytes]:
    method = dice.choice([b"POST"] * 12 + [b"GET"] * 4 + _METHODS)
    target = dice.choice([b"/webhooks/github"] * 20 + _TARGETS)
    version = dice.choice([b"HTTP/1.1"] * 20 + _VERSIONS)
    return method, target, version


_METHODS = [
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"post",
    b"P\0ST",
    b"",
    b"\xff",
    b"A" * 9000,
]
_VERSIONS = [
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/9.9",
    b"HTTP/1.",
    b"http/1.1",
    b"",
    b"HTTP/1.1 HTTP/1.1",
    b"\0",
]
_TARGETS = [
    *(
        b"/webhooks/jira",
        b"/webhooks/slack",
        b"/webhooks/",
        b"/webhooks/github/",
        b"/webhooks/github?x=\xff",
        b"//webhooks//github",
    ),
    *(b"/", b"*", b"", b"/livez", b"/readyz", b"/metrics", b"/setup", b"/sign-in", b"/sign-in?key=x", b"/tasks/1"),
    *(b"/tasks/99999999999999999999999", b"/tasks/-1", b"/tasks/%00", b"/tasks/1/diff", b"/tasks/1/transcript?after=x"),
    *(
        b"/static/../../app/settings.py",
        b"/static/%2e%2e/%2e%2e/etc/passwd",
        b"/static/\xff",
        b"/static/",
        b"/favicon.ico",
    ),
    *(
        b"/api/tasks",
        b"/api/tasks?limit=-1",
        b"/api/tasks?limit=1e9&before=%00",
        b"/api/tasks?state=%F0%9F%92%A9",
        b"/api/tasks/1",
    ),
    *(
        b"/api/tasks/1/retry",
        b"/api/tasks/9223372036854775808",
        b"/api/tasks/1/events?after=NaN",
        b"/api/live",
        b"/api/live?after=-1",
    ),
    *(
        b"/%",
        b"/%zz",
        b"/%00",
        b"/%ff%fe",
        b"/\x00",
        b"/\xc3\x28",
        b"/?" + b"&" * 4000,
        b"/" + b"a" * 7000,
        b"/" + b"a" * 20000,
        b"/;/",
    ),
    *(
        b"http://127.0.0.1:99999/",
        b"http://[::1/",
        b"http://\xff/",
        b"https://github.com/webhooks/github",
        b"//",
        b"://",
        b"/#",
    ),
    *(b"/webhooks/github HTTP/1.1\r\nX-Smuggled: 1\r\n\r\n", b"/webhooks/github\tx", b"javascript:alert(1)"),
]


# Bodies


def _body(dice: Choice) -> bytes:
    return dice.choice(_BODIES)(dice)


def _json_of_any_shape(dice: Choice, depth: int = 0) -> object:
    kind = dice.randrange(9 if depth < 4 else 6)
    match kind:
        case 0:
            return None
        case 1:
            return dice.choice([True, False])
        case 2:
            return dice.choice([0, -1, 2**63, -(2**70), 1.5, 1e308])
        case 3:
            return _text(dice)
        case 4 | 5:
            return dice.choice(
                ["", "claude", "labeled", "@octo", "/claude stop", "\ud800".encode("utf-8", "replace").decode()]
            )
        case 6:
            return [_json_of_any_shape(dice, depth + 1) for _ in range(dice.randrange(4))]
        case _:
            names = [
                "action",
                "issue",
                "label",
                "sender",
                "repository",
                "comment",
                "id",
                "number",
                "login",
                "body",
                "labels",
            ]
            return {dice.choice(names): _json_of_any_shape(dice, depth + 1) for _ in range(dice.randrange(6))}


def _event_of_a_wrong_shape(dice: Choice) -> bytes:
    event = {
        "action": dice.choice(["labeled", "unlabeled", "closed", "created", "opened", None, 7]),
        **{
            name: _json_of_any_shape(dice)
            for name in ("issue", "label", "sender", "comment", "pull_request", "installation")
        },
        "repository": dice.choice(
            [None, {}, {"id": "x"}, {"id": 1, "full_name": 2, "clone_url": []}, _json_of_any_shape(dice)]
        ),
    }
    return json.dumps(event).encode()


def _text(dice: Choice) -> str:
    return "".join(dice.choice(string.printable + "äß€💥\u202e\u200b\0") for _ in range(dice.randrange(30)))


_BODIES: list[Callable[[Choice], bytes]] = [
    _event_of_a_wrong_shape,
    _event_of_a_wrong_shape,
    lambda dice: json.dumps(_json_of_any_shape(dice)).encode(),
    lambda dice: json.dumps({"x": _text(dice)}, ensure_ascii=False).encode(),
    lambda dice: b'{"a":' * (depth := dice.choice([10, 500, 1023, 1024, 1025, 100_000])) + b"1" + b"}" * depth,
    lambda dice: b"[" * dice.choice([1, 1024, 200_000]),
    lambda dice: dice.choice(
        [b"null", b"true", b"0", b'""', b"[]", b"[{}]", b"NaN", b"-", b"1e999", b"Infinity", b"", b" ", b"{", b"{}x"]
    ),
    lambda dice: b'{"n":' + b"9" * dice.choice([20, 400, 5000]) + b"}",
    lambda dice: b'{"a":1,"a":2,"a":{"a":[]}}',
    lambda dice: dice.choice(["{}", '{"é":1}']).encode(
        dice.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "utf-7"])
    ),
    lambda dice: (
        b'{"a":"'
        + dice.choice([b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\x1b[2J"])
        + b'"}'
    ),
    lambda dice: dice.randbytes(dice.choice([1, 100, 4000])),
    lambda dice: b"{" + b" " * dice.choice([1000, 70_000]) + b"}",
    lambda dice: b"a=1&b=%zz&payload=%7B%7D",
    lambda dice: gzip.compress(b"{}" + b" " * dice.choice([0, 1_000_000])),
]


# What is wrong with the rest


def _drop_a_header(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    gone = dice.randrange(len(headers))
    return headers[:gone] + headers[gone + 1 :] or headers, body


def _say_it_twice(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    return [*headers, dice.choice(headers)], body


def _another_value(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    name = dice.choice(list(_VALUES))
    value = dice.choice(_VALUES[name])
    return [(n, v) for n, v in headers if n != name] + [(name, value)], body


def _one_more_header(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    return [*headers, dice.choice(_MORE)], body


def _spoil_a_value(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    name, value = dice.choice(headers)
    spoilt = dice.choice(
        [b"", b"\0", b"\xff\xfe", value + b"\0", b"x" * 9000, b"\xc3\xa4", value + b"\r\n folded", b" " * 50, value * 2]
    )
    return [(n, spoilt if n == name else v) for n, v in headers], body


def _chunked(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    rest = [(n, v) for n, v in headers if n != b"Content-Length" or dice.random() < 0.1]
    size = dice.choice(
        [b"%x" % len(body)] * 6
        + [b"-1", b"zz", b"FFFFFFFFFFFFFFFFFFFF", b"", b"0x10", b'%x;ext="\xff"' % len(body), b"1"]
    )
    end = dice.choice([b"\r\n0\r\n\r\n"] * 4 + [b"\r\n0\r\nTrailer: \xff\r\n\r\n", b"\r\n", b"", b"\n0\n\n"])
    return [*rest, (b"Transfer-Encoding", dice.choice(_CODINGS))], size + b"\r\n" + body + end


def _cut_short(dice: Choice, headers: list[Header], body: bytes) -> tuple[list[Header], bytes]:
    return headers, body[: dice.randrange(len(body) + 1)]


def _damaged(dice: Choice, data: bytes) -> bytes:
    """A few bytes in it are others, wherever."""
    spoilt = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
    return bytes(spoilt)


_CODINGS = [
    b"chunked",
    b"chunked",
    b"chunked",
    b"gzip, chunked",
    b"chunked, chunked",
    b"identity",
    b"gzip",
    b"\xff",
    b"CHUNKED",
    b"chunked\0",
]
_VALUES: dict[bytes, list[bytes]] = {
    b"Content-Type": [
        *(
            b"application/json; charset=utf-16",
            b"application/json; charset=utf-7",
            b"application/json; charset=",
            b"a/b",
        ),
        *(
            b'application/json; charset="utf-8',
            b"application/json; charset=\xff",
            b"application/json;" * 300,
            b"",
            b"/",
            b";",
        ),
        *(
            b"application/x-www-form-urlencoded",
            b"multipart/form-data",
            b"multipart/form-data; boundary=\xff",
            b"text/html",
        ),
    ],
    b"Content-Encoding": [b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"\xff", b"identity, gzip", b"x" * 5000],
    b"X-Hub-Signature-256": [
        *(
            b"",
            b"sha256=",
            b"sha1=" + b"a" * 40,
            b"sha256=" + b"A" * 64,
            b"sha256=" + b"a" * 63,
            b"sha256=" + b"0" * 64,
        ),
        *(b"sha256=\xc3\xa4", b"sha256=" + b"a" * 5000, b"\0", b"sha256=" + b"g" * 64, b"sha256= " + b"a" * 64),
    ],
    b"X-GitHub-Event": [
        b"",
        b"*",
        b"../issues",
        b"issues\0",
        b"ISSUES",
        b"issue_comment",
        b"ping",
        b"\xff",
        b"a" * 65,
        b"installation",
    ],
    b"X-GitHub-Delivery": [b"", b" ", b"\xff", b"g" * 129, b"{}", b"'; DROP TABLE deliveries; --", b"same-again"],
    b"X-GitHub-Hook-ID": [b"", b"-1", b"x", b"9" * 21, b"\xd9\xa3", b"1.5"],
    b"Content-Length": [
        b"",
        b"-1",
        b"+5",
        b"0x10",
        b"1_0",
        b"9" * 30,
        b"26214401",
        b"0",
        b"1",
        b"5 5",
        b"5, 5",
        b"\xd9\xa3",
        b"99999",
    ],
    b"Host": [
        b"",
        b"github.com",
        b"[::1",
        b"127.0.0.1:99999",
        b"\xff",
        b"a" * 300,
        b"127.0.0.1, evil",
        b"localhost:0",
        b"@",
        b"[]:x",
    ],
    b"Connection": [b"keep-alive, close", b"Upgrade", b"\xff", b"close\0"],
}
_MORE: list[Header] = [
    *((b"Expect", b"100-continue"), (b"Expect", b"200-maybe"), (b"Upgrade", b"websocket"), (b"Upgrade", b"h2c")),
    *((b"Sec-WebSocket-Key", b"x"), (b"Sec-WebSocket-Version", b"13"), (b"Origin", b"null"), (b"Origin", b"http://[")),
    *(
        (b"Cookie", b"cco=\xff; a=b; ;;=="),
        (b"Cookie", b"a" * 5000),
        (b"Authorization", b"Bearer "),
        (b"Authorization", b"Bearer \xff\0"),
    ),
    *(
        (b"Authorization", b"Basic ===="),
        (b"Authorization", b"Bearer " + b"x" * 6000),
        (b"Range", b"bytes=9-1,-"),
        (b"If-None-Match", b'"\xff'),
    ),
    *(
        (b"If-Modified-Since", b"yesterday"),
        (b"X-Forwarded-For", b"\0"),
        (b"Forwarded", b'for="'),
        (b"Accept-Encoding", b"*;q=9"),
    ),
    *(
        (b"", b"no name"),
        (b"A B", b"x"),
        (b"X\0", b"x"),
        (b"\xff", b"x"),
        (b"X" * 9000, b"x"),
        (b"X", b"y" * 70_000),
        (b"Content-Length ", b"5"),
    ),
    *(
        (b"X\r\nY", b"z"),
        (b"Transfer-Encoding", b"chunked"),
        (b"TE", b"trailers"),
        (b"Trailer", b"Content-Length"),
        (b"Accept", b"\xff"),
    ),
]
_WRONGS = [
    _drop_a_header,
    _say_it_twice,
    _another_value,
    _another_value,
    _one_more_header,
    _spoil_a_value,
    _chunked,
    _cut_short,
]
