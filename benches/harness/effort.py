"""How long and how often things are measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """The length of one run; every figure is a median over `rounds`."""

    rounds: int
    """Alternating rounds over the contenders."""
    seconds: float
    """Length of one load on a fast server."""
    slow_seconds: float
    """Length of one load on xpublish, whose rates settle sooner."""
    connections: tuple[int, ...]
    """Numbers of connections the chunk loads use."""
    peer_limit: float
    """Seconds after which a peer's indexing run is ended and counts as failed."""


FULL = Effort(rounds=5, seconds=6.0, slow_seconds=3.0, connections=(1, 16, 64), peer_limit=600.0)
QUICK = Effort(rounds=3, seconds=1.5, slow_seconds=1.5, connections=(1, 16, 64), peer_limit=180.0)
