"""Read MATLAB files of version 5, after checking that they are sound.

On damaged files ``scipy.io.loadmat`` may exhaust the memory, hang, or crash the process. So all
lengths, sizes and kinds of elements are checked first; they bound what loading takes.
"""

import math
import struct
import warnings
import zlib

from scipy.io import loadmat

HEADER_BYTES = 128
BYTE_ORDERS = {b"IM": "<", b"MI": ">"}  # the last two bytes of the header
VERSION, VERSION_73 = 0x0100, 0x0200
HDF5 = b"\x89HDF\r\n\x1a\n"  # what a file of version 7.3 is, after a header of 512 bytes
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
KINDS = {MATRIX, COMPRESSED, *ITEM_BYTES}
CELL, STRUCT, CHAR = 1, 2, 4
NUMBERS = range(6, 16)  # double, single, and integers of 8 to 64 bits
COMPLEX = 0x0800
MOST_DIMENSIONS, MOST_NESTED = 8, 8
MOST_INFLATED = 1 << 30  # bytes of a compressed variable


def load_matlab(path, variables):
    """Return {name: array} of those of the variables that a file contains.

    Raises ``OSError``, or ``ValueError`` for a damaged file or another kind of file.
    """
    check_matlab(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return loadmat(path, variable_names=variables)
        except Exception as error:  # a damaged file may fail at any step, in any way
            raise ValueError(f"damaged: {type(error).__name__}: {error}") from error


def check_matlab(content):
    """Raise ``ValueError`` unless bytes are a sound MATLAB file of version 5.

    Allowed are arrays of numbers and of text, cells and structs.
    """
    order = BYTE_ORDERS.get(content[HEADER_BYTES - 2 : HEADER_BYTES])
    version = order and struct.unpack_from(f"{order}H", content, 124)[0]
    if version == VERSION_73 or HDF5 in (content[: len(HDF5)], content[512 : 512 + len(HDF5)]):
        raise ValueError(
            "version 7.3, which is HDF5; expected version 5 to 7: load it in MATLAB and save it "
            "anew with save(FILE, '-v7')"
        )
    if version != VERSION:
        raise ValueError("not a MATLAB file of version 5")
    for kind, payload in _elements(memoryview(content)[HEADER_BYTES:], order):
        if kind == COMPRESSED:
            ((kind, payload),) = _elements(_inflated(payload), order)
        _check_matrix(kind, payload, order)


def _elements(data, order):
    """Yield (kind, content) of consecutive elements, each aligned to 8 bytes.

    A short element has its length in the upper half of its kind.
    """
    place = 0
    while place < len(data):
        if place + 8 > len(data):
            raise ValueError("damaged: it ends in the middle of an element")
        kind, size = struct.unpack_from(f"{order}II", data, place)
        begin, short = place + 8, kind >> 16
        if short:
            kind, size, begin = kind & 0xFFFF, short, place + 4
        if begin + size > len(data) or short > 4:
            raise ValueError("damaged: an element is longer than what holds it")
        if kind not in KINDS:  # scipy looks it up in a table without checking its end
            raise ValueError("damaged: an element of an unknown kind")
        yield kind, data[begin : begin + size]
        place = begin + size if kind == COMPRESSED else -(-(begin + size) // 8) * 8


def _inflated(payload):
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(payload, MOST_INFLATED)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from error
    if not inflater.eof:
        raise ValueError("damaged: a compressed variable has no end")
    return memoryview(data)


def _check_matrix(kind, payload, order, depth=0):
    if kind != MATRIX or depth > MOST_NESTED:
        raise ValueError("damaged: it holds something else than arrays")
    if not payload:  # an empty array inside another
        return
    elements = list(_elements(payload, order))
    if [kind for kind, _ in elements[:3]] != [UINT32, INT32, INT8]:
        raise ValueError("damaged: an array does not begin with kind, size and name")
    (_, flags), (_, sizes), _, *parts = elements
    if len(flags) != 8 or len(sizes) % 4 or not 8 <= len(sizes) <= 4 * MOST_DIMENSIONS:
        raise ValueError("damaged: an array has no size")
    flags = struct.unpack_from(f"{order}I", flags)[0]
    sizes = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if min(sizes) < 0:
        raise ValueError("damaged: an array has a negative size")
    _check_parts(flags, math.prod(sizes), parts, order, depth)


def _check_parts(flags, count, parts, order, depth):
    """Check the parts of an array with ``count`` items."""
    array_class = flags & 0xFF
    if array_class in (CELL, STRUCT):
        fields = 1
        if array_class == STRUCT:
            fields, parts = _num_fields(parts, order), parts[2:]
        if len(parts) != count * fields:
            raise ValueError("damaged: the number of its cells is another than its size says")
        for part in parts:
            _check_matrix(*part, order, depth + 1)
    elif array_class in NUMBERS:
        if len(parts) != (2 if flags & COMPLEX else 1):
            raise ValueError("damaged: an array lacks numbers")
        for kind, data in parts:
            if kind not in ITEM_BYTES or len(data) != count * ITEM_BYTES[kind]:
                raise ValueError(
                    "damaged: an array holds another number of bytes than its size says"
                )
    elif array_class != CHAR or count > sum(len(data) for _, data in parts):
        raise ValueError(
            "damaged, or it holds something else than numbers, text, cells and structs"
        )


def _num_fields(parts, order):
    """Return the number of fields of a struct, whose names are of equal length."""
    if [kind for kind, _ in parts[:2]] != [INT32, INT8] or len(parts[0][1]) != 4:
        raise ValueError("damaged: a struct does not begin with the names of its fields")
    (length,), names = struct.unpack(f"{order}i", parts[0][1]), parts[1][1]
    if length < 1 or len(names) % length:
        raise ValueError("damaged: the names of a struct's fields have no common length")
    return len(names) // length
