"""Writes tables.png and maps.txt from the list of colour maps that the checks of plots hold.

    python pack.py ../../../tests/plots/colormaps.json

tables.png has one row of 256 pixels for each different table, RGB without loss: it can be looked at. maps.txt names the
maps: name, row, origin, licence, with tabs between them.
"""

import json
import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).parent
ORIGINS = {"matplotlib": "matplotlib", "cmocean": "cmocean", "cmcrameri": "crameri"}
LICENSES = {
    "matplotlib": "matplotlib licence (PSF style, BSD compatible)",
    "ColorBrewer": "ColorBrewer Apache-style licence 1.1",
    "Yorick": "BSD-like licence of Yorick",
    "CC0": "CC0-1.0",
    "cmocean": "MIT, copyright 2015 Kristen M. Thyng",
    "crameri": "MIT, copyright 2020 Fabio Crameri",
    "Wistia": "MIT",
}


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filtered(table: bytes) -> bytes:
    """A row of a PNG picture as differences to the pixel on its left."""
    return b"\x01" + bytes((c - (table[i - 3] if i >= 3 else 0)) & 255 for i, c in enumerate(table))


def main() -> None:
    maps = json.loads(Path(sys.argv[1]).read_text())["maps"]
    rows: dict[bytes, int] = {}
    lines = []
    for name, one in maps.items():
        row = rows.setdefault(bytes.fromhex(one["rgb"]), len(rows))
        lines.append(f"{name}\t{row}\t{ORIGINS[one['source']]}\t{LICENSES[one['licence']]}\n")
    header = struct.pack(">IIBBBBB", 256, len(rows), 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(map(filtered, rows)), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    (HERE / "tables.png").write_bytes(png)
    (HERE / "maps.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
