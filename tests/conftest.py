"""Fixtures that every test may ask for."""

pytest_plugins = [
    "tests.fakes.github",
    "tests.fakes.service",
    "tests.fakes.desk",
    "tests.figures",
    "tests.crash.recording",
]
