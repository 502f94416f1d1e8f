"""Lengths of time, as people write them."""

from eggtimer.durations import parse

__all__ = ["parse"]
