"""A small stateful stand-in for GitHub: an honest model of what an App sees of it, on this machine only."""

from app.demo.github.ledger import Fault
from app.demo.github.server import build, running
from app.demo.github.world import World

__all__ = ["Fault", "World", "build", "running"]
