"""Global heaps of HDF5 files, where texts of variable length lie.

They have no checksum, and the HDF5 library reads some damaged ones for ever.
"""

import struct

from starlabels.base.errors import UserError

SIGNATURE = b"GCOL\x01\0\0\0"
HEADER = 16  # bytes of a heap before its first object, and of an object before its data
SPAN = 1 << 24  # bytes at either end of a file that are searched: texts are written first or last


def check_global_heaps(path, hint):
    """UserError if a global heap at either end of a file is damaged so that HDF5 would hang."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        for start in {0, max(0, size - SPAN)}:
            file.seek(start)
            if has_endless_heap(file.read(SPAN)):
                raise UserError(f"{path} is damaged, its texts cannot be read: {hint}")


def has_endless_heap(data):
    """Whether bytes contain a global heap with an object of no length."""
    place = data.find(SIGNATURE)
    while place >= 0:
        [size] = struct.unpack_from("<Q", data.ljust(place + HEADER, b"\0"), place + 8)
        if is_endless(data[place : place + min(size, SPAN)]):
            return True
        place = data.find(SIGNATURE, place + 1)
    return False


def is_endless(heap):
    """Whether the objects of a global heap, given as bytes, do not lead to its end."""
    place = HEADER
    while place + HEADER <= len(heap):
        number, _, _, length = struct.unpack_from("<HHIQ", heap, place)
        # Number 0 is the free space, whose length counts its header
        step = length if number == 0 else HEADER + -(-length // 8) * 8
        if step == 0:
            return True
        place += step
    return False
