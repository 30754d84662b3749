"""The sections of a run, in order.

A section is a module with `TITLE`, `DATA` (the kinds of data it needs, see `data.make`) and
`measure(bench) -> Iterator[Row]`.
"""

from __future__ import annotations

from types import ModuleType

from . import chunks, cold_start, cost, derived, end_user, groupby, indexing, metadata, plots, staging

SECTIONS: dict[str, ModuleType] = {
    "metadata": metadata,
    "chunks": chunks,
    "cost": cost,
    "derived": derived,
    "cold-start": cold_start,
    "indexing": indexing,
    "end-user": end_user,
    "plots": plots,
    "groupby": groupby,
    "staging": staging,
}
