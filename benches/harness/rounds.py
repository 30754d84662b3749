"""Alternating rounds: every contender is measured in every round, in an order that moves on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from typing import TypeVar

Contender = TypeVar("Contender")
Figure = TypeVar("Figure")

PRODUCT = "thermocline"


class MeasurementError(Exception):
    """A contender did not do what was measured: its figure would mean nothing."""


FAILURES = (MeasurementError, RuntimeError, OSError, subprocess.TimeoutExpired)


def alternate(
    contenders: Mapping[str, Contender], rounds: int, measure: Callable[[Contender], Figure]
) -> tuple[dict[str, list[Figure]], list[str]]:
    """Measures every contender once in each round and returns their figures by name.

    A peer that fails is left out from then on, its figures dropped, and the reason is among the notes
    returned; a failure of the product itself is raised.
    """
    figures: dict[str, list[Figure]] = {name: [] for name in contenders}
    notes: list[str] = []
    names = list(contenders)
    for number in range(rounds):
        turn = number % max(len(names), 1)
        for name in names[turn:] + names[:turn]:
            if name not in figures:
                continue
            try:
                figures[name].append(measure(contenders[name]))
            except FAILURES as error:
                if name == PRODUCT:
                    raise
                del figures[name]
                notes.append(f"{name}: {error}")
    return figures, notes
