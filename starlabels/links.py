"""HDF5 that points at other files is refused: made elsewhere, it could read in any file of ours."""

import h5py

from starlabels.cli import UserError


def check(h5, path, hint="make it, or copy it, anew"):
    """UserError if anything in an open file lies in another file, or cannot be followed."""
    try:
        found = h5.visititems_links(lambda name, link: elsewhere(h5, name, link))
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged, or has links of an unknown kind: {hint}") from error
    if found:
        name, other = (ascii(one)[1:-1] for one in found)
        raise UserError(f"{path} is refused: {name} lies in another file, {other}: copy all that it holds into one file")


def elsewhere(h5, name, link):
    """What a link of an open file leads to in another one, and that file's name; None if it stays."""
    if isinstance(link, h5py.ExternalLink):
        return name, link.filename
    data = h5.get(name) if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset):
        return None
    if data.external:
        return name, data.external[0][0]
    others = [one.file_name for one in data.virtual_sources() if one.file_name != "."] if data.is_virtual else []
    return (name, others[0]) if others else None
