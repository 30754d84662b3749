"""Rows of figures, their ratios and verdicts, as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Any

from .rounds import PRODUCT


class Better(Enum):
    """Which way a figure is good."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class AtLeast:
    """The product must be at least `times` as good as `peer`."""

    times: float
    peer: str

    def __str__(self) -> str:
        return f"≥ {self.times:g} × {self.peer}"

    def is_met(self, row: Row) -> bool | None:
        """Whether `row` meets the target; `None` when there is nothing to compare."""
        ratio = row.ratio(self.peer)
        return None if ratio is None else ratio >= self.times


@dataclass(frozen=True)
class AtMost:
    """The product's own figure must not exceed `value`, in the unit of its row."""

    value: float

    def __str__(self) -> str:
        return f"≤ {self.value:g}"

    def is_met(self, row: Row) -> bool | None:
        """Whether `row` meets the target; `None` when there is no figure."""
        figure = row.median(PRODUCT)
        return None if figure is None else figure <= self.value


@dataclass
class Row:
    """One measured quantity of all contenders."""

    what: str
    unit: str
    better: Better
    figures: dict[str, list[float]]
    """A figure per round for each contender that was measured."""
    targets: Sequence[AtLeast | AtMost] = ()
    notes: list[str] = field(default_factory=list)

    def median(self, contender: str) -> float | None:
        """The median over the rounds."""
        figures = self.figures.get(contender)
        return median(figures) if figures else None

    def ratios(self, peer: str) -> list[float]:
        """How many times as good the product is as `peer`: round by round where both have as many rounds.

        Comparing within a round cancels what the machine did in that round.
        """
        ours, theirs = self.figures.get(PRODUCT), self.figures.get(peer)
        if not ours or not theirs:
            return []
        pairs = zip(ours, theirs) if len(ours) == len(theirs) else [(median(ours), median(theirs))]
        return [ratio for pair in pairs if (ratio := self._times_as_good(*pair)) is not None]

    def ratio(self, peer: str) -> float | None:
        """The median of the ratios."""
        ratios = self.ratios(peer)
        return median(ratios) if ratios else None

    def verdict(self) -> str:
        """Whether the targets are met, in a word."""
        met = [target.is_met(self) for target in self.targets]
        if False in met:
            return "**missed**"
        return "met" if True in met else "–"

    def as_json(self) -> dict[str, Any]:
        """The row with every round, for keeping."""
        peers = [name for name in self.figures if name != PRODUCT]
        return {
            "what": self.what,
            "unit": self.unit,
            "better": self.better.value,
            "rounds": self.figures,
            "medians": {name: self.median(name) for name in self.figures},
            "ratios": {peer: self.ratio(peer) for peer in peers},
            "targets": [str(target) for target in self.targets],
            "verdict": self.verdict().strip("*"),
            "notes": self.notes,
        }

    def _times_as_good(self, ours: float, theirs: float) -> float | None:
        above, below = (ours, theirs) if self.better is Better.HIGHER else (theirs, ours)
        return above / below if below > 0 else None


def markdown(title: str, rows: Sequence[Row]) -> str:
    """A section as a Markdown table; every contender has a column, every peer one of ratios."""
    contenders = list(dict.fromkeys([PRODUCT, *(name for row in rows for name in row.figures)]))
    peers = contenders[1:]
    heads = ["measured", "unit", *contenders, *(f"× {peer}" for peer in peers), "target", ""]
    lines = [f"### {title}", "", _line(heads), _line(["---"] * len(heads))]
    for row in rows:
        cells = [row.what, row.unit, *(_figure(row.median(name)) for name in contenders)]
        cells += [_ratio(row.ratios(peer)) for peer in peers]
        cells += [", ".join(map(str, row.targets)) or "–", row.verdict()]
        lines.append(_line(cells))
    notes = dict.fromkeys(note for row in rows for note in row.notes)
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}"


def _ratio(ratios: Sequence[float]) -> str:
    if not ratios:
        return "–"
    middle = _times(median(ratios))
    return middle if len(ratios) == 1 else f"{middle} ({_times(min(ratios))}–{_times(max(ratios))})"


def _times(ratio: float) -> str:
    if ratio >= 10:
        return f"{ratio:,.0f}"
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"
