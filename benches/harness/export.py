"""Copies every Zarr v2 key that the product serves into files: what nginx serves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from .load import get
from .rounds import MeasurementError
from .servers import Server


def export(server: Server, dataset: str, root: Path) -> None:
    """Writes the keys of `dataset` below `root` under the paths they have on the server.

    `zarr/` gets the v2 keys alone, as a v2 store on disk has them; `zarr-v3/` the v3 root document.
    """
    base = f"/datasets/{dataset}/zarr"
    document = _fetch(server, f"{base}/.zmetadata")
    _write(root, f"{base}/.zmetadata", document)
    metadata = json.loads(document)["metadata"]
    for key in metadata:
        _write(root, f"{base}/{key}", _fetch(server, f"{base}/{key}"))
    for key in chunk_keys(metadata):
        status, body = get(server.port, f"{base}/{key}")
        if status == 200:
            _write(root, f"{base}/{key}", body)
        elif status != 404:
            raise MeasurementError(f"{status} on {base}/{key}")
    _write(root, f"/datasets/{dataset}/zarr-v3/zarr.json", _fetch(server, f"/datasets/{dataset}/zarr-v3/zarr.json"))


def chunk_keys(metadata: dict[str, Any]) -> Iterator[str]:
    """The chunk keys of every array in a consolidated v2 document (Zarr v2 specification, "Arrays")."""
    for key, array in metadata.items():
        if not key.endswith("/.zarray"):
            continue
        path = key.removesuffix("/.zarray")
        grid = [range(ceil(n / chunk)) for n, chunk in zip(array["shape"], array["chunks"], strict=True)]
        separator = array.get("dimension_separator", ".")
        for index in itertools.product(*grid):
            yield f"{path}/{separator.join(map(str, index)) or '0'}"


def variable_keys(server: Server, dataset: str, variable: str) -> list[str]:
    """Paths of all chunks of one variable, by the server's own metadata."""
    base = f"/datasets/{dataset}/zarr"
    metadata = json.loads(_fetch(server, f"{base}/.zmetadata"))["metadata"]
    wanted = {f"{variable}/.zarray": metadata[f"{variable}/.zarray"]}
    return [f"{base}/{key}" for key in chunk_keys(wanted)]


def _fetch(server: Server, path: str) -> bytes:
    status, body = get(server.port, path)
    if status != 200:
        raise MeasurementError(f"{status} on {path}: {body[:200].decode(errors='replace')}")
    return body


def _write(root: Path, path: str, body: bytes) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
