"""Writes vectors.json beside this file: chunks as HDF5's reference implementations store them.

Run with Python, h5py and hdf5plugin; the numbers are made by a fixed rule, so only the versions of
the libraries matter. Each vector has the stored chunk, the filters with their client data, and the
length and CRC-32 of the values that libhdf5 gives back.
"""

import base64
import io
import json
import sys
import zlib
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

VECTORS = []
LONGEST_STORED = 1200


def numbers(shape, dtype, kind):
    """Numbers of one kind: a ramp, noise, few levels, a constant, or zeros."""
    n = int(np.prod(shape))
    i = np.arange(n, dtype="u8")
    noise = ((i * 6364136223846793005 + 1442695040888963407) * (i | 1)) >> 11
    values = {
        "ramp": i,
        "noise": noise,
        "levels": (noise % 5) * 3,
        "constant": np.full(n, 42, "u8"),
        "zeros": np.zeros(n, "u8"),
    }[kind]
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return ((values % 100003).astype("f8") / 8 - 1000).astype(dtype).reshape(shape)
    if dtype.kind == "V":
        return np.frombuffer((values % 256).astype("u1").repeat(dtype.itemsize).tobytes(), dtype).reshape(shape)
    return values.astype(f"u{dtype.itemsize}").astype(dtype).reshape(shape)


def add(name, array, chunks=None, file_type=None, fill=None, plist=None, **options):
    """Stores an array in chunks and keeps the first chunk."""
    chunks = chunks or array.shape
    with h5py.File(io.BytesIO(), "w") as file:
        if file_type is None:
            dataset = file.create_dataset("x", data=array, chunks=chunks, fillvalue=fill, **options)
        else:
            create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            create.set_chunk(chunks)
            plist(create)
            space = h5py.h5s.create_simple(array.shape)
            h5py.h5d.create(file.id, b"x", file_type, space, create)
            dataset = file["x"]
            dataset.id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(array))
        file.flush()
        mask, stored = dataset.id.read_direct_chunk((0,) * array.ndim)
        create = dataset.id.get_create_plist()
        filters = []
        for i in range(create.get_nfilters()):
            number, _, words, _ = create.get_filter(i)
            filters.append([number, [int(word) for word in words]])
        # In the type of the file, as the filters see the bytes.
        file_dtype = dataset.id.get_type()
        values = np.empty(chunks, dtype=f"V{file_dtype.get_size()}")
        whole = np.zeros(array.shape, dtype=f"V{file_dtype.get_size()}")
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, whole, mtype=file_dtype)
        assert chunks == array.shape
        values = whole.tobytes()
    if len(stored) > LONGEST_STORED:
        return print(f"left out: {name}: {len(stored)} bytes stored", file=sys.stderr)
    if mask and len(filters) == 1:
        return  # The filter made the chunk no smaller and was skipped.
    VECTORS.append(
        {
            "name": name,
            "shape": list(chunks),
            "element_size": file_dtype.get_size(),
            "filters": filters,
            "mask": mask,
            "stored": base64.b64encode(stored).decode(),
            "len": len(values),
            "crc32": zlib.crc32(values),
        }
    )


def library():
    for dtype in ["u1", "<i2", ">f4", "<f8", "V3", "V12"]:
        add(f"shuffle {dtype}", numbers((101,), dtype, "noise"), shuffle=True)
        add(f"shuffle deflate fletcher32 {dtype}", numbers((13, 17), dtype, "levels"),
            shuffle=True, compression="gzip", fletcher32=True)
    for n in [1, 2, 3, 720, 721, 2001]:
        add(f"fletcher32 of {n} bytes", numbers((n,), "u1", "noise"), fletcher32=True)
    for kind in ["ramp", "noise", "levels", "zeros"]:
        add(f"lzf {kind}", numbers((700,), "<u4" if kind != "noise" else "u1", kind), compression="lzf")
    add("lzf of a long run", numbers((100000,), "u1", "constant"), compression="lzf")
    add("deflate of a long run", numbers((300, 1000), "<f4", "constant"), compression="gzip", compression_opts=9)


def szip():
    for dtype in ["u1", "<i2", ">i2", "<i4", "<f4", ">f4", "<f8", ">f8", "<i8"]:
        for method in ["nn", "ec"]:
            for pixels, kind in [(4, "ramp"), (8, "ramp"), (8, "levels"), (16, "noise"), (32, "zeros"), (32, "levels")]:
                for shape in [(9, 37)] if pixels != 8 else [(9, 37), (3, 70), (300,)]:
                    add(f"szip {method} {pixels} {dtype} {kind} {shape}", numbers(shape, dtype, kind),
                        compression="szip", compression_opts=(method, pixels))


def scale_offset():
    for size in [1, 2, 4, 8]:
        for sign in "iu":
            for order in "<>":
                dtype = f"{order}{sign}{size}"
                levels = numbers((7, 11), dtype, "levels")
                add(f"scale-offset {dtype} levels", levels, scaleoffset=0)
                add(f"scale-offset {dtype} five bits", levels, scaleoffset=5)
                add(f"scale-offset {dtype} noise", numbers((77,), dtype, "noise"), scaleoffset=0)
                add(f"scale-offset {dtype} constant", numbers((77,), dtype, "constant"), scaleoffset=0)
                low = np.iinfo(dtype).min
                add(f"scale-offset {dtype} lowest", (levels + low).astype(dtype), scaleoffset=0, fill=3)
                filled = levels.copy()
                filled[2:4] = 100
                add(f"scale-offset {dtype} fill", filled, scaleoffset=0, fill=100)
                add(f"scale-offset {dtype} all fill", np.full((9,), 100, dtype), scaleoffset=0, fill=100)
    for dtype in ["<f4", ">f4", "<f8", ">f8"]:
        for digits in [0, 1, 3, 5]:
            values = (numbers((300,), "<f8", "ramp") / 7).astype(dtype)
            add(f"scale-offset {dtype} {digits} digits", values, scaleoffset=digits)
            values[10:20] = -9999
            add(f"scale-offset {dtype} {digits} digits fill", values, scaleoffset=digits, fill=-9999)
        add(f"scale-offset {dtype} constant", np.full((30,), 2.5, dtype), scaleoffset=2)
        huge = np.array([1e30, -1e30, 5, 7], dtype)
        add(f"scale-offset {dtype} too wide", huge, scaleoffset=3)


def nbit():
    def integer(base, precision, offset):
        kind = base.copy()
        kind.set_precision(precision)
        kind.set_offset(offset)
        return kind

    nbit_filter = lambda create: create.set_filter(h5py.h5z.FILTER_NBIT)
    bases = {
        "i1": h5py.h5t.STD_I8LE, "<i2": h5py.h5t.STD_I16LE, ">i2": h5py.h5t.STD_I16BE,
        "<u4": h5py.h5t.STD_U32LE, ">i4": h5py.h5t.STD_I32BE, "<i8": h5py.h5t.STD_I64LE, ">u8": h5py.h5t.STD_U64BE,
    }
    for dtype, base in bases.items():
        bits = 8 * np.dtype(dtype).itemsize
        # Of a number whose bits are mostly unused, the library refuses to make a dataset.
        half = bits // 2 + 1
        for precision, offset in [(bits, 0), (bits - 3, 0), (bits - 3, 2), (half, 1), (half, bits - half)]:
            array = (numbers((6, 9), dtype, "noise") >> 1) & ((1 << (precision - 1)) - 1 if precision > 1 else 1)
            add(f"n-bit {dtype} {precision} bits at {offset}", array.astype(dtype), file_type=integer(base, precision, offset),
                plist=nbit_filter)
    twenty = h5py.h5t.IEEE_F32LE.copy()
    twenty.set_fields(26, 20, 6, 7, 13)
    twenty.set_offset(7)
    twenty.set_precision(20)
    twenty.set_ebias(31)
    add("n-bit float of 20 bits", np.linspace(-10, 10, 50, dtype="<f4"), file_type=twenty, plist=nbit_filter)
    add("n-bit full float", np.linspace(-10, 10, 50, dtype=">f8"), file_type=h5py.h5t.IEEE_F64BE, plist=nbit_filter)
    record = h5py.h5t.create(h5py.h5t.COMPOUND, 23)
    record.insert(b"a", 1, integer(h5py.h5t.STD_I32LE, 19, 4))
    record.insert(b"b", 6, h5py.h5t.array_create(integer(h5py.h5t.STD_U16BE, 9, 1), (3,)))
    text = h5py.h5t.C_S1.copy()
    text.set_size(3)
    record.insert(b"c", 13, text)
    inner = h5py.h5t.create(h5py.h5t.COMPOUND, 6)
    inner.insert(b"x", 0, integer(h5py.h5t.STD_U8LE, 5, 2))
    inner.insert(b"y", 2, h5py.h5t.IEEE_F32BE)
    record.insert(b"d", 17, inner)
    dtype = np.dtype({"names": ["a", "b", "c", "d"], "formats": ["<i4", (">u2", (3,)), "S3", np.dtype({
        "names": ["x", "y"], "formats": ["u1", ">f4"], "offsets": [0, 2], "itemsize": 6})],
        "offsets": [1, 6, 13, 17], "itemsize": 23})
    array = np.zeros((8,), dtype)
    for i in range(8):
        array[i] = (i * 97 - 300, (i, i * 30, 255 - i), f"t{i}", (i, i / 3))
    add("n-bit record", array, file_type=record, plist=nbit_filter)


def plugins():
    for cname in ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"]:
        for shuffle in [0, 1, 2]:
            for shape, dtype, kind in [
                ((5,), "u1", "noise"), ((300,), "<i4", "ramp"), ((200,), "<f8", "noise"), ((1003,), "<i2", "levels"),
                ((77, 3), "V3", "ramp"), ((130, 1000), "<f4", "constant"), ((700,), "V20", "levels"),
            ]:
                add(f"blosc {cname} {shuffle} {dtype} {kind} {shape}", numbers(shape, dtype, kind),
                    **hdf5plugin.Blosc(cname=cname, clevel=5, shuffle=shuffle))
    for cname in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]:
        for filters in [0, 1, 2, 3, 4]:
            for shape, dtype, kind in [
                ((5,), "u1", "noise"), ((300,), "<i4", "ramp"), ((200,), "<f8", "noise"), ((37, 53), "<i2", "ramp"),
                ((7, 11, 13), "<f4", "levels"), ((3, 5, 7, 9), "u1", "ramp"), ((77, 3), "V3", "ramp"),
                ((260, 1001), "<f4", "constant"), ((300, 300), "<f8", "zeros"), ((250, 401), ">i4", "constant"),
            ]:
                add(f"blosc2 {cname} {filters} {dtype} {kind} {shape}", numbers(shape, dtype, kind),
                    **hdf5plugin.Blosc2(cname=cname, clevel=5, filters=filters))
    for shape, dtype, kind in [
        ((1,), "<i4", "ramp"), ((7,), "<f8", "ramp"), ((8,), "<i2", "noise"), ((1003,), "<i2", "ramp"), ((777,), "u1", "ramp"),
        ((130, 3), "V3", "ramp"), ((9000,), "<f4", "levels"), ((50001,), "<i4", "constant"),
    ]:
        for compressor in ["none", "lz4", "zstd"]:
            for n in [0, 64]:
                add(f"bitshuffle {compressor} {n} {dtype} {kind} {shape}", numbers(shape, dtype, kind),
                    **hdf5plugin.Bitshuffle(nelems=n, cname=compressor))
    for n, kind in [(1, "ramp"), (1000, "ramp"), (1000, "noise"), (100000, "zeros")]:
        dtype = "<i4" if kind != "noise" else "u1"
        add(f"lz4 {kind} {n}", numbers((n,), dtype, kind), **hdf5plugin.LZ4())
        add(f"zstd {kind} {n}", numbers((n,), dtype, kind), **hdf5plugin.Zstd(clevel=3))
        add(f"bzip2 {kind} {n}", numbers((n,), dtype, kind), **hdf5plugin.BZip2())
    for block in [100, 4096]:
        add(f"lz4 in blocks of {block}", numbers((1203,), "<i2", "levels"), **hdf5plugin.LZ4(nbytes=block))
    add("shuffle zstd level -7", numbers((400,), "<i4", "ramp"), shuffle=True, **hdf5plugin.Zstd(clevel=-7))


for group in [library, szip, scale_offset, nbit, plugins]:
    before = len(VECTORS)
    group()
    print(group.__name__, len(VECTORS) - before, file=sys.stderr)
lines = ",\n".join(json.dumps(vector) for vector in VECTORS)
Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("vectors.json")).write_text(f"[\n{lines}\n]\n")
