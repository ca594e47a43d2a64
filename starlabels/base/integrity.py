"""What the files of the stages hold, names, shapes and kinds of datasets: a damaged one is known when it is opened."""

import h5py
import numpy as np

from starlabels.base import memory
from starlabels.base.errors import UserError

NUMBERS, TEXTS = "fiub", "SOfiu"  # kinds of numpy's types; texts may be numbers
SPECTRA = {
    "labels/value": "n l",
    "labels/error?": "n l",
    "spectra/wave?": "p",
    "spectra/flux?": "n p",
}
PART = {
    "labels": "n l",
    "grid_labels": "n g",
    "joined_row": "n",
    "star_id": "n",
    "flux?": "n p",
    "features?": "n f",
}
PART |= {
    "label_errors?": "n l",
    "grid_label_errors?": "n g",
    "components?": "n k",
    "outside?": "n b",
    "level?": "n",
}
PARTS = ("train", "validation", "test")
MOMENTS = {f"scaling/{name}": "l" for name in ("mean", "std")} | {"spectra/wave?": "p"}
MOMENTS |= {
    "features/mean?": "f",
    "features/std?": "f",
    "features/uses?": "f c",
    "features/may_lack?": "f",
}
MOMENTS |= {
    "continuum/edges?": "e",
    "continuum/mean?": "m",
    "continuum/components?": "r m",
    "continuum/variance?": "r",
}
MOMENTS |= {"continuum/order?": "", "parallax/offset?": ""}
LAYOUTS = {
    "grid": SPECTRA | {"star_id?": "n"},
    "0_join": SPECTRA | {"star_id": "n", "source": "n", "source_row": "n"},
    "2_preprocess": MOMENTS
    | {f"{part}/{name}": shape.replace("n", part) for part in PARTS for name, shape in PART.items()}
    | {
        "basis/mean?": "p",
        "basis/components?": "k p",
        "basis/variance?": "k",
        "basis/n_blocks?": "",
    },
    "3_train": MOMENTS,
}
NAMED = {"labels/value": "l", "scaling/mean": "l", "features": "f"}  # have a name a column
NAMED |= {
    f"{part}/{name}": size
    for part in PARTS
    for name, size in (("labels", "l"), ("grid_labels", "g"))
}
INCREASING, POSITIVE = (
    ("spectra/wave", "continuum/edges"),
    ("scaling/std", "basis/variance", "continuum/variance"),
)
FINITE = (*POSITIVE, *INCREASING, "scaling/mean", "continuum/mean", "continuum/components")


def check_layout(h5, stage, mend):
    """UserError that ends in `mend` unless the open file of a stage has its datasets, of shapes that fit each other."""
    sizes = {}
    for name, shape in LAYOUTS.get(stage, {}).items():
        name, may_lack = name.rstrip("?"), name.endswith("?")
        data = h5.get(name)
        if data is None and may_lack and name not in h5:
            continue
        found = f"{data.dtype} {data.shape}" if isinstance(data, h5py.Dataset) else "not there"
        dimensions = shape.split()
        fits = isinstance(data, h5py.Dataset) and data.dtype.kind in (
            TEXTS if name.endswith("star_id") else NUMBERS
        )
        fits = fits and data.ndim == len(dimensions)
        for dimension, n in zip(dimensions, data.shape) if fits else ():
            if sizes.setdefault(dimension, n) != n:
                fits, found = False, f"{found}, where others have {sizes[dimension]}"
        if not fits or has_bad_values(name, data):
            what = "has values that it cannot have" if fits else f"is {found}"
            raise UserError(f"{h5.filename} is damaged, {name} {what}: {mend}")
    for name, dimension in NAMED.items():
        n = sizes.get(dimension)
        if n is not None and name in h5 and not are_column_names(h5[name].attrs.get("names"), n):
            raise UserError(
                f"{h5.filename} is damaged, {name} has not a name for each of {n} columns: {mend}"
            )


def has_bad_values(name, data):
    """Whether numbers that must be finite, positive or increasing are not."""
    if name not in FINITE:
        return False
    values = read_whole(data)
    if not np.isfinite(values).all() or name in POSITIVE and (values <= 0).any():
        return True
    return name in INCREASING and not (np.diff(values) > 0).all()


def are_column_names(names, n):
    """Whether an attribute holds n different names."""
    return (
        isinstance(names, np.ndarray)
        and names.dtype.kind in "OSU"
        and len(set(map(str, names.ravel()))) == names.size == n
    )


def find_damage(h5):
    """The name of what cannot be read in an open HDF5 file, None if all can."""
    where, found = "its table of contents", [("/", h5)]
    try:
        h5.visititems(lambda name, kind: found.append((name, kind)))
        for where, kind in found:  # noqa: B007  it is what the error is about
            dict(kind.attrs)
            if isinstance(kind, h5py.Dataset):
                blocks = (
                    [slice(i, i + 1024) for i in range(0, len(kind), 1024)] if kind.shape else [()]
                )
                for rows in kind.iter_chunks() if kind.chunks else blocks:
                    kind[rows]
    except Exception:
        return where
    return None


def read_attribute(item, name):
    """An attribute that is one number or text; None if there is none, or anything else."""
    value = item.attrs.get(name)
    value = value.item() if isinstance(value, np.generic) else value
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return value if isinstance(value, (str, bool, int, float)) else None


def read_text_attribute(item, name):
    """The texts of an attribute, [] if there is none."""
    values = np.ravel(item.attrs.get(name, [])).tolist()
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values
    ]


def read_whole(data):
    """All values of a dataset; UserError if the memory cannot hold a few copies of them."""
    what = f"{data.file.filename}: {data.name.lstrip('/')}, {data.dtype} {data.shape}, would"
    memory.check_memory(4 * data.size * data.dtype.itemsize, what, "write the file anew")
    return data[()]


def check_links(h5, path, hint="make it, or copy it, anew"):
    """UserError if anything in an open file lies in another file, or cannot be followed."""
    try:
        found = h5.visititems_links(lambda name, link: find_foreign_target(h5, name, link))
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged, or has links of an unknown kind: {hint}") from error
    if found:
        name, other = (ascii(one)[1:-1] for one in found)
        raise UserError(
            f"{path} is refused: {name} lies in another file, {other}: copy all that it holds into one file"
        )


def find_foreign_target(h5, name, link):
    """What a link of an open file leads to in another one, and that file's name; None if it stays."""
    if isinstance(link, h5py.ExternalLink):
        return name, link.filename
    data = h5.get(name) if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset):
        return None
    if data.external:
        return name, data.external[0][0]
    others = (
        [one.file_name for one in data.virtual_sources() if one.file_name != "."]
        if data.is_virtual
        else []
    )
    return (name, others[0]) if others else None
