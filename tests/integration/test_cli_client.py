"""The client, where what answers is not what it should be."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli import client
from tests.fakes.service import invoke

Serve = Callable[[bytes | None], None]


@pytest.fixture
def answering(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Something on CCO_PORT that answers every request with these bytes; None is silence."""
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("CCO_PORT", str(listener.getsockname()[1]))
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(answer: bytes | None) -> None:
        def one() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                if answer is None:
                    over.wait(20)
                else:
                    connection.sendall(answer)

        threads.append(threading.Thread(target=one))
        threads[-1].start()

    yield serve
    over.set()
    for thread in threads:
        thread.join()
    listener.close()


def answer(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer("404 Not Found", b"<html>nothing here</html>"), "is not cc-orchestrator (status 404). Check CCO_PORT."),
        (answer("500 Oops", b'["a list"]'), "is not cc-orchestrator (status 500)"),
        (answer("409 Conflict", b'{"error": "It \\u001b[31mcannot\\nbe."}'), "cco: It cannot be."),
        (answer("200 OK", b"<html>hello</html>"), "cannot be read"),
        (answer("302 Found", b""), "is not cc-orchestrator (status 302)"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be asked"),
        (b"", "cannot be asked"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "broke off"),
        (b"HTTP/1.1 200 \x1b[31m\r\nnot a header\x1b]0;owned\x07\r\n\r\n", "cannot be read"),
    ],
)
def test_a_stranger_on_the_port_is_one_line(answering: Serve, said: bytes, expected: str) -> None:
    answering(said)
    result = invoke("ls")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_silence_is_not_waited_for_for_ever(answering: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.2)
    answering(None)
    result = invoke("ls")
    assert result.exit_code == 1
    assert "did not answer within" in result.stderr


def test_an_answer_without_end_is_cut_off(answering: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", 100)
    answering(answer("200 OK", b"x" * 101))
    result = invoke("diff", "1")
    assert result.exit_code == 1
    assert "too long" in result.stderr


def test_an_unreadable_token_is_one_line(cco_home: Path) -> None:
    (cco_home / "api-token").write_bytes(b"\xff\xfe")
    result = invoke("ls")
    assert result.exit_code == 1
    assert "api-token cannot be read" in result.stderr


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")])
def test_a_service_that_listens_everywhere_is_asked_on_loopback(
    cco_home: Path, monkeypatch: pytest.MonkeyPatch, host: str, asked: str
) -> None:
    monkeypatch.setenv("CCO_HOST", host)
    assert client.service().address == f"http://{asked}:8080"
