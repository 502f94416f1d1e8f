"""Talk to the running service: JSON over HTTP, one request at a time."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from app.cli.saying import Failed, one_line
from app.settings import SettingsError, load
from app.settings_model import Settings

PATIENCE_SECONDS = 30.0
LARGEST_ANSWER = 64 * 1024 * 1024
ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104  compared, not bound


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered: the body, and where the caller goes on reading, if it said so."""

    body: bytes
    next: str | None

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed("the service's answer cannot be read: are cco and the service of the same version?") from None

    @property
    def text(self) -> str:
        """The body, read as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service of this CCO_HOME answers, and the token that it wants to see."""

    host: str
    port: int
    token: str

    def get(self, path: str, **query: object) -> Answer:
        """Read something. Queries that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def post(self, path: str, body: dict[str, object]) -> Answer:
        """Have something done."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json, text/plain"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read(LARGEST_ANSWER + 1)
        except ConnectionRefusedError:
            raise Failed(f"the service is not running at {self.address}. Start it with: cco serve") from None
        except ValueError:
            raise Failed("the api token holds characters that cannot be sent: take letters and digits.") from None
        except TimeoutError:
            raise Failed(f"the service at {self.address} did not answer within {PATIENCE_SECONDS:.0f} s.") from None
        except (OSError, http.client.HTTPException) as exc:
            why = one_line(exc) or type(exc).__name__
            raise Failed(f"the service at {self.address} cannot be asked: {why}.") from None
        finally:
            connection.close()
        if len(content) > LARGEST_ANSWER:
            raise Failed("the service's answer is too long to be shown.")
        if answer.length:
            raise Failed("the service's answer broke off. Try again.")
        if not 200 <= answer.status < 300:
            raise Failed(self._sentence(answer.status, content))
        return Answer(content, answer.getheader("X-Next"))

    @property
    def address(self) -> str:
        """What the lines of failures call it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def _sentence(self, status: int, content: bytes) -> str:
        """The service's own sentence, or one about what answers there instead."""
        if status == http.client.UNAUTHORIZED:
            return "the service does not take this api token. Is it the service of this CCO_HOME (or CCO_API_TOKEN)?"
        try:
            sentence = json.loads(content)["error"]
        except (ValueError, KeyError, TypeError):
            return f"what answers at {self.address} is not cc-orchestrator (status {status}). Check CCO_PORT."
        return one_line(sentence)


def service() -> Service:
    """The service that the settings speak of."""
    settings = settings_or_fail()
    host = "127.0.0.1" if settings.host in ANY_ADDRESS else settings.host
    return Service(host, settings.port, token_of(settings))


def settings_or_fail() -> Settings:
    """The settings; what is wrong with them is said, a line for each."""
    try:
        return load()
    except SettingsError as exc:
        raise Failed("\ncco: ".join(exc.lines)) from None


def task_path(reference: str, *rest: str) -> str:
    """The address of a task, or of something of it."""
    return "/".join(["/api/tasks", quote(reference, safe=""), *rest])


def token_of(settings: Settings) -> str:
    """The API token, as the service has it."""
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    path = settings.home / "api-token"
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        raise Failed(f"the service has never run with CCO_HOME={settings.home}. Start it with: cco serve") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise Failed(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}.") from None
