"""Integrity of HDF5 files: their datasets fit each other and do not point at other files.

Damage is detected when a file is opened.
"""

import h5py
import numpy as np

from starlabels.base import memory
from starlabels.base.errors import UserError

DEEPEST, TOO_DEEP = 50, "/"  # groups within each other, and the mark of more
NUMBERS, TEXTS = "fiub", "SOfiu"  # kinds of NumPy's types; texts may be numbers
# {dataset: its dimensions}; a ? marks datasets that may be absent
SPECTRA = {
    "labels/value": "n l",
    "labels/error?": "n l",
    "spectra/wave?": "p",
    "spectra/flux?": "n p",
}
PART = {
    "labels/value": "n g",
    "labels/error?": "n g",
    "joined_row": "n",
    "star_id": "n",
    "flux?": "n p",
    "features?": "n f",
    "components?": "n k",
    "outside?": "n b",
    "level?": "n",
}
PARTS = ("train", "validation", "test")
MOMENTS = {
    "scaling/mean": "l",
    "scaling/std": "l",
    "spectra/wave?": "p",
    "features/mean?": "f",
    "features/std?": "f",
    "features/uses?": "f c",
    "features/may_lack?": "f",
    "continuum/edges?": "e",
    "continuum/mean?": "m",
    "continuum/components?": "r m",
    "continuum/variance?": "r",
    "continuum/order?": "",
    "parallax/offset?": "",
}
BASIS = {
    "basis/mean?": "p",
    "basis/components?": "k p",
    "basis/variance?": "k",
    "basis/n_blocks?": "",
}
LAYOUTS = {
    "grid": SPECTRA | {"star_id?": "n"},
    "0_join": SPECTRA | {"star_id": "n", "source": "n", "source_row": "n"},
    "2_preprocess": MOMENTS
    | {f"{part}/{name}": shape.replace("n", part) for part in PARTS for name, shape in PART.items()}
    | BASIS,
    "3_train": MOMENTS | BASIS,
}
# Datasets that a file has all or none of
TOGETHER = [("basis/mean", "basis/components", "basis/variance")]
TOGETHER += [
    tuple(f"{part}/{name}" for name in ("components", "outside", "level")) for part in PARTS
]
# Datasets with one name per column, and the dimension of their columns
NAMED = {"labels/value": "l", "scaling/mean": "l", "features": "f"}
NAMED |= {f"{part}/labels/value": "g" for part in PARTS}
INCREASING = ("spectra/wave", "continuum/edges")
POSITIVE = ("scaling/std", "basis/variance", "continuum/variance")
FINITE = (*POSITIVE, *INCREASING, "scaling/mean", "continuum/mean", "continuum/components")


def check_layout(h5, stage, fix):
    """UserError unless the file of a stage has its datasets, with shapes that fit each other.

    fix: end of the message.
    """
    sizes = {}
    for key, shape in LAYOUTS.get(stage, {}).items():
        name = key.rstrip("?")
        try:
            data = h5.get(name)
        except (RuntimeError, OSError) as error:  # a link to itself, for instance
            raise UserError(f"{h5.filename} is damaged, {name} cannot be read: {fix}") from error
        if data is None and key.endswith("?") and name not in h5:
            continue
        problem = _find_problem(name, data, shape.split(), sizes)
        if problem:
            raise UserError(f"{h5.filename} is damaged, {name} {problem}: {fix}")
    if problem := find_inconsistency(h5, sizes):
        raise UserError(f"{h5.filename} is damaged, {problem}: {fix}")
    for name, dimension in NAMED.items():
        n = sizes.get(dimension)
        if n is not None and name in h5 and not are_column_names(h5[name].attrs.get("names"), n):
            raise UserError(
                f"{h5.filename} is damaged, {name} has not a name for each of {n} columns: {fix}"
            )


def find_inconsistency(h5, sizes):
    """What does not fit together in a file of {dimension: size}, or None."""
    for group in TOGETHER:
        absent = [name for name in group if name not in h5]
        if absent and len(absent) < len(group):
            return f"{absent[0]} is not there"
    if "basis" not in h5:
        return None
    n_blocks = read_block_number(h5["basis"])
    # The spectra of a part have one column a block outside the components
    least, most = sizes.get("b", 1), sizes.get("b", sizes.get("k", 0))
    if isinstance(n_blocks, (int, np.integer)) and least <= n_blocks <= most:
        return None
    return f"basis/n_blocks is {n_blocks}, expected {least} to {most}"


def read_block_number(basis):
    """n_blocks of a basis: an attribute in models, a dataset in prepared spectra."""
    n_blocks = basis.attrs.get("n_blocks")
    if n_blocks is None and "n_blocks" in basis:
        n_blocks = basis["n_blocks"][()]
    return n_blocks


def _find_problem(name, data, dimensions, sizes):
    """What is wrong with a dataset, or None; `sizes` collects {dimension: size} of the file."""
    if not isinstance(data, h5py.Dataset):
        return "is not there"
    description = f"is {data.dtype} {data.shape}"
    kinds = TEXTS if name.endswith("star_id") else NUMBERS
    if data.dtype.kind not in kinds or data.ndim != len(dimensions):
        return description
    for dimension, n in zip(dimensions, data.shape):
        if sizes.setdefault(dimension, n) != n:
            return f"{description}, where others have {sizes[dimension]}"
    return "has values that it cannot have" if has_bad_values(name, data) else None


def has_bad_values(name, data):
    """True if numbers that must be finite, positive or increasing are not."""
    if name not in FINITE:
        return False
    values = read_whole(data)
    if not np.isfinite(values).all() or name in POSITIVE and (values <= 0).any():
        return True
    return name in INCREASING and not (np.diff(values) > 0).all()


def are_column_names(names, n):
    """True if an attribute holds n different names."""
    if not isinstance(names, np.ndarray) or names.dtype.kind not in "OSU":
        return False
    return len(set(map(str, names.ravel()))) == names.size == n


def find_damage(h5):
    """Name of the first object in an open HDF5 file that cannot be read, or None."""
    name = "its table of contents"
    items = [("/", h5)]
    try:
        h5.visititems(lambda name, item: items.append((name, item)))
        for name, item in items:  # noqa: B007  the name of the damaged one is returned
            dict(item.attrs)
            if isinstance(item, h5py.Dataset):
                _read_in_pieces(item)
    except Exception:
        return name
    return None


def _read_in_pieces(data):
    """Read a dataset chunk by chunk, or a thousand rows at a time."""
    if data.chunks:
        pieces = data.iter_chunks()
    elif data.shape:
        pieces = [slice(i, i + 1024) for i in range(0, len(data), 1024)]
    else:
        pieces = [()]
    for piece in pieces:
        data[piece]


def read_attribute(item, name):
    """An attribute that is a single number or text; None for anything else or if absent."""
    value = item.attrs.get(name)
    value = value.item() if isinstance(value, np.generic) else value
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return value if isinstance(value, (str, bool, int, float)) else None


def read_text_attribute(item, name):
    """The texts of an attribute, [] if absent."""
    values = np.ravel(item.attrs.get(name, [])).tolist()
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values
    ]


def read_whole(data):
    """All values of a dataset; UserError if they were not written, or are too many for memory."""
    check_written(data)
    check_size(data)
    return data[()]


def check_size(data):
    """UserError if the memory cannot hold a few copies of the values of a dataset."""
    subject = f"{data.file.filename}: {data.name.lstrip('/')}, {data.dtype} {data.shape}, would"
    memory.check_memory(4 * data.size * data.dtype.itemsize, subject, "write the file anew")


def check_written(data):
    """UserError if values of a dataset were declared but never written; HDF5 would make them up."""
    if not data.size or data.is_virtual or data.external:
        return
    if data.chunks:
        needed = np.prod([-(-n // size) for n, size in zip(data.shape, data.chunks)], dtype=float)
        written = data.id.get_num_chunks()
    else:
        needed = data.size * data.id.get_type().get_size()
        written = data.id.get_storage_size()
    if written < needed:
        share = f"only {written / needed:.2%} of {data.shape} values were written"
        name = data.name.lstrip("/")
        raise UserError(f"{data.file.filename}: {name}: {share}: fill the rest, or cut it off")


def check_links(h5, path, fix="make it, or copy it, anew"):
    """UserError if anything in an open file is stored in another file, or has an invalid link."""
    try:
        target = h5.visititems_links(lambda name, link: find_foreign_target(h5, name, link))
    except (OSError, RuntimeError, SystemError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged, or has links of an unknown kind: {fix}") from error
    if target and target[1] == TOO_DEEP:
        raise UserError(f"{path} has groups more than {DEEPEST} deep: write them near its root")
    if target:
        name, other = (ascii(text)[1:-1] for text in target)
        place = f"another file, {other}" if other else "other virtual datasets"
        raise UserError(
            f"{path} is refused: {name} lies in {place}: copy all that it holds into one file"
        )


def find_foreign_target(h5, name, link):
    """(name, file) of a link that leads into another file; None for links that stay.

    The file is TOO_DEEP for a name of too many groups. It is "" for a virtual dataset made of
    virtual datasets: HDF5 ends the process when one is made of itself.
    """
    if isinstance(link, h5py.ExternalLink):
        return name, link.filename
    if name.count("/") > DEEPEST:
        return name, TOO_DEEP
    if isinstance(link, h5py.SoftLink):
        h5.get(name)  # a link to itself raises a RuntimeError
        return None
    data = h5.get(name) if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset):
        return None
    if data.external:
        return name, data.external[0][0]
    if data.is_virtual:
        for source in data.virtual_sources():
            if source.file_name != ".":
                return name, source.file_name
            parent = h5.get(source.dset_name)
            if isinstance(parent, h5py.Dataset) and parent.is_virtual:
                return name, ""
    return None
