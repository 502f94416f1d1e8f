"""What every run needs to be carried out; made once, by the composition root."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from runner import sandbox
from runner.engine import Engine
from runner.launching import Rules
from runner.mirror import Mirrors
from runner.publishing import Publisher
from runner.remotes import Credentials
from runner.secrets import Keyring
from runner.store import Store


@dataclass(frozen=True, slots=True)
class Means:
    """What a run needs to be carried out.

    `tally` counts what went otherwise than planned: launches `taken_up` after a restart, `lost`, and each `bug`.
    """

    store: Store
    engine: Engine
    mirrors: Mirrors
    publisher: Publisher
    credentials: Credentials
    rules: Rules
    keyring: Keyring
    host: sandbox.Host
    dice: random.Random
    now: Callable[[], datetime]
    tally: Counter[str] = field(default_factory=Counter)
