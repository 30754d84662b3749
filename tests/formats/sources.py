"""Opens what a server offers of a dataset, strictly: 200 is data, 404 is absence, everything else an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import fsspec
import requests
import xarray as xr
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

NO_REPORT: dict[str, str] = {}
TIMEOUT = 30


class Refused(Exception):
    """The whole dataset is refused; the message is the reason."""


def brief(err: BaseException) -> str:
    return f"{type(err).__name__}: {' '.join(str(err).split())[:200]}"


@dataclass
class Opened:
    """A hierarchy that zarr and xarray can read; ``reasons`` says why paths are left out."""

    store: Any
    zarr_format: int | None = None
    reasons: dict[str, str] = field(default_factory=lambda: NO_REPORT)
    consolidated: bool = False

    def hierarchy(self) -> tuple[dict[str, zarr.Array], dict[str, dict]]:
        arrays, groups = {}, {}
        todo = [("", zarr.open_group(self.store, mode="r", zarr_format=self.zarr_format, use_consolidated=False))]
        while todo:
            path, group = todo.pop()
            groups[path] = dict(group.attrs)
            prefix = f"{path}/" if path else ""
            for name, member in group.members():
                if isinstance(member, zarr.Group):
                    todo.append((prefix + name, member))
                else:
                    arrays[prefix + name] = member
        return arrays, groups

    def dataset(self, group: str) -> xr.Dataset:
        consolidated = self.consolidated and not group
        options = {"consolidated": consolidated, "zarr_format": self.zarr_format}
        return xr.open_dataset(self.store, engine="zarr", group=group or None, **options)


def reasons_of(report: dict) -> dict[str, str]:
    """Why variables are left out. Raises ``Refused`` if the report refuses the whole dataset."""
    if report.get("refused"):
        raise Refused(report["refused"])
    variables = report.get("variables", {})
    return {path: v["reason"] for path, v in variables.items() if v.get("route") == "refused" and v.get("reason")}


class Server:
    def __init__(self, base: str):
        self.base = base.rstrip("/")

    def open(self, ident: str, view: str) -> Opened:
        """Raises ``Refused`` when the whole dataset is."""
        root = f"{self.base}/datasets/{quote(ident)}"
        reasons = reasons_of(self.get(f"{root}/report").json(parse_constant=refuse_constant))
        if view == "kerchunk":
            document = self.get(f"{root}/kerchunk").json(parse_constant=refuse_constant)
            return Opened(ReferenceStore.of(document, "http"), 2, reasons)
        zarr_format = {"v2": 2, "v3": 3}[view]
        return Opened(HttpStore(f"{root}/zarr", self.consolidated(f"{root}/zarr", zarr_format)), zarr_format, reasons, True)

    def get(self, url: str) -> requests.Response:
        answer = requests.get(url, timeout=TIMEOUT)
        if answer.status_code == 422 and (detail := problem_detail(answer)):
            raise Refused(detail)
        if answer.status_code != 200:
            raise RuntimeError(f"status {answer.status_code} for {url}: {answer.text[:120]}")
        return answer

    def consolidated(self, root: str, zarr_format: int) -> set[str]:
        """The paths of all nodes below the root."""
        if zarr_format == 3:
            document = self.get(f"{root}/zarr.json").json(parse_constant=refuse_constant)
            return set(document["consolidated_metadata"]["metadata"])
        return v2_nodes(self.get(f"{root}/.zmetadata").json(parse_constant=refuse_constant)["metadata"])


def refuse_constant(name: str) -> None:
    raise ValueError(f"the document holds {name}, which is not JSON")


def problem_detail(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))
    except (ValueError, AttributeError):
        return ""


def v2_nodes(keys: Iterable[str]) -> set[str]:
    parts = (key.rpartition("/") for key in keys)
    return {path for path, _, name in parts if name in (".zgroup", ".zarray") and path}


def children(nodes: set[str], prefix: str) -> list[str]:
    start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return sorted({node[len(start) :].partition("/")[0] for node in nodes if node.startswith(start)})


class ReferenceStore(zarr.storage.FsspecStore):
    """References through fsspec; lists by itself, since zarr's listing finds no subgroups in a reference file system."""

    nodes: set[str]

    @classmethod
    def of(cls, document: dict, protocol: str) -> ReferenceStore:
        options = {"fo": document, "remote_protocol": protocol, "remote_options": {"asynchronous": True}}
        store = cls(fsspec.filesystem("reference", asynchronous=True, **options), read_only=True)
        store.nodes = v2_nodes(document["refs"])
        return store

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in children(self.nodes, prefix):
            yield name


class HttpStore(Store):
    """A strict, read-only store: 200 is data, 404 is absence, everything else is an error. Keys are percent-encoded."""

    supports_writes = supports_deletes = supports_partial_writes = False
    supports_listing = True

    def __init__(self, root: str, nodes: set[str]):
        super().__init__(read_only=True)
        self.root, self.nodes = root, nodes
        self.session = requests.Session()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HttpStore) and other.root == self.root

    def fetch(self, key: str) -> bytes | None:
        answer = self.session.get(f"{self.root}/{quote(key)}", timeout=TIMEOUT)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise RuntimeError(f"status {answer.status_code} for {key}: {answer.text[:120]}")
        return answer.content

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        content = await asyncio.to_thread(self.fetch, key)
        match byte_range:
            case RangeByteRequest():
                part = slice(byte_range.start, byte_range.end)
            case OffsetByteRequest():
                part = slice(byte_range.offset, None)
            case SuffixByteRequest():
                part = slice(-byte_range.suffix, None)
            case _:
                part = slice(None)
        return None if content is None else prototype.buffer.from_bytes(content[part])

    async def get_partial_values(self, prototype, key_ranges) -> list[Buffer | None]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self.fetch, key) is not None

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in children(self.nodes, prefix):
            yield name

    async def list(self) -> AsyncIterator[str]:
        for node in sorted(self.nodes):
            yield node

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for node in sorted(self.nodes):
            if node.startswith(prefix):
                yield node

    async def set(self, key: str, value: Buffer) -> None:
        raise NotImplementedError("read-only")

    async def delete(self, key: str) -> None:
        raise NotImplementedError("read-only")
