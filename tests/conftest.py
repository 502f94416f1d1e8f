"""Fixtures that every test may ask for, and how many examples the property tests try."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.crash.stories", "tests.crash.trial")  # so that they say what they saw

pytest_plugins = [
    "tests.fakes.github",
    "tests.fakes.service",
    "tests.fakes.desk",
    "tests.fakes.bureau",
    "tests.figures",
    "tests.crash.recording",
]

# What a shell starts in the background has SIGINT ignored, and what we start would be as deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# On a loaded machine an example takes long, and that is no finding. `./cco test --long` chooses the other profile.
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=100, **SLOW)
settings.register_profile("long", max_examples=3_000, **SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
