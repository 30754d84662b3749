"""The data that are measured: what lies where, made once and kept in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .processes import run
from .setup import PROGRAMS, Tools

VARIABLE = "t2m"
"""The data variable of every file, over (time, y, x)."""

SMALL, LARGE, MODEL, PACKED = "small", "large", "model", "packed"
"""Ids of the datasets; `programs/make_data.py` says how each is stored."""

N_MANY = 1000
"""How many datasets the cold start with many has."""

MAKE_LIMIT = 1800.0


@dataclass(frozen=True)
class Data:
    """Where the data lie."""

    root: Path

    @property
    def served(self) -> Path:
        """Folder that all three servers serve: `small`, `large` and `model`."""
        return self.root / "served"

    @property
    def packed(self) -> Path:
        """Folder of the dataset whose chunks have to be re-encoded."""
        return self.root / "packed"

    @property
    def one(self) -> Path:
        """Folder with one small dataset."""
        return self.root / "one"

    @property
    def many(self) -> Path:
        """Folder with `N_MANY` small datasets."""
        return self.root / "many"

    @property
    def plots(self) -> Path:
        """Folder of fields on large grids: `regular`, `tripolar` and `icon`."""
        return self.root / "plots"

    @property
    def groupby(self) -> Path:
        """Folder of one reanalysis-like field: `era5_like`."""
        return self.root / "groupby"

    def chunks(self, n_chunks: int) -> Path:
        """File with one variable of `n_chunks` tiny chunks."""
        return self.root / "chunks" / f"deflated-{n_chunks}.h5"

    @property
    def served_files(self) -> list[Path]:
        """The files below `served`."""
        return [self.served / f"{dataset}.nc" for dataset in (SMALL, LARGE, MODEL)]


def make(cache: Path, tools: Tools, kinds: set[str]) -> Data:
    """Makes what is missing of `kinds`: `served`, `packed`, `one`, `many`, `chunks`, `plots`, `groupby`."""
    data = Data(cache / "data")
    run([tools.clients, PROGRAMS / "make_data.py", data.root, *sorted(kinds)], limit=MAKE_LIMIT)
    return data


def warm(folder: Path) -> None:
    """Reads every file below `folder`, so that the page cache holds it."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            with file.open("rb", buffering=0) as opened:
                while opened.read(1 << 20):
                    pass
