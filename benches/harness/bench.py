"""One run: its tools, its data, and the three servers on the same data."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import data, servers
from .effort import Effort
from .export import chunk_keys, export
from .load import get
from .rounds import MeasurementError
from .servers import Server
from .setup import Tools

N_COMPARED_KEYS = 40


@dataclass
class Bench:
    """What a section measures with; `stack` ends everything that was started."""

    tools: Tools
    data: data.Data
    effort: Effort
    cache: Path
    stack: ExitStack

    @cached_property
    def place(self) -> Path:
        """A folder for logs, state and exports of this run, removed at its end."""
        self.cache.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="run-", dir=self.cache, ignore_cleanup_errors=True)
        return Path(self.stack.enter_context(folder))

    def folder(self, name: str) -> Path:
        """A new folder below `place`."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.place))

    @cached_property
    def fleet(self) -> dict[str, Server]:
        """The product, nginx and xpublish on the same data, running until the end of the run."""
        folder = self.folder("fleet")
        product = servers.thermocline(self.tools, self.data.served, folder, folder / "state")
        self.stack.enter_context(product)
        xpublish = self.stack.enter_context(servers.xpublish(self.tools, self.data.served_files, folder))
        for dataset in (data.SMALL, data.LARGE, data.MODEL):
            product.wait_for(f"/datasets/{dataset}/zarr/.zmetadata")
            export(product, dataset, folder / "export")
        nginx = self.stack.enter_context(servers.nginx(self.tools, folder / "export", folder))
        nginx.wait_for(f"/datasets/{data.SMALL}/zarr/.zmetadata")
        xpublish.wait_for(f"/datasets/{data.SMALL}/zarr/.zmetadata")
        data.warm(folder / "export")
        data.warm(self.data.served)
        return {server.name: server for server in (product, nginx, xpublish)}

    @cached_property
    def fleet_without_memory(self) -> dict[str, Server]:
        """The product with next to no memory for chunks, and nginx: both take every chunk from the page cache."""
        folder = self.folder("fleet")
        settings = ["state.memory=1 MiB"]
        product = servers.thermocline(self.tools, self.data.served, folder, folder / "state", settings)
        self.stack.enter_context(product)
        product.wait_for(f"/datasets/{data.SMALL}/zarr/.zmetadata")
        return {product.name: product, "nginx": self.fleet["nginx"]}

    def keys(self, dataset: str) -> Path:
        """File with the path of every chunk of the data variable of `dataset`, one a line.

        Raises `MeasurementError` when the servers do not send the same bytes for a sample of them: servers
        that do different work cannot be compared.
        """
        file = self.place / f"{dataset}-keys.txt"
        if file.exists():
            return file
        base = f"/datasets/{dataset}/zarr"
        _, document = get(self.fleet["nginx"].port, f"{base}/.zmetadata")
        keys = [key for key in chunk_keys(json.loads(document)["metadata"]) if key.startswith(f"{data.VARIABLE}/")]
        for key in keys[:: max(len(keys) // N_COMPARED_KEYS, 1)]:
            answers = {get(server.port, f"{base}/{key}") for server in self.fleet.values()}
            if len(answers) != 1 or next(iter(answers))[0] != 200:
                raise MeasurementError(f"the servers differ on {base}/{key}")
        file.write_text("".join(f"{base}/{key}\n" for key in keys))
        return file
