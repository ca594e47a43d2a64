"""Catalogues matched to the stars of the databases, by an identifier or by the position on the sky."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.catalogues import tables
from starlabels.config.schema import SkyMatch

MAS = np.radians(1 / 3.6e6)


class Pairs(NamedTuple):
    """Candidates (m,): the star's row, the catalogue's row, and how far they are from each other (arcsec)."""

    row: np.ndarray
    entry: np.ndarray
    distance: np.ndarray


class Matches(NamedTuple):
    """Of n stars: the catalogue's row of each (n,), -1 for none; which had several, and which lost theirs to another star.

    several, lost: masks (n,).
    """

    entry: np.ndarray
    several: np.ndarray
    lost: np.ndarray


def list_match_columns(catalogues):
    """{column: whether it is an identifier} of ours that catalogues are matched by."""
    found = {}
    for match in (catalogue.match for catalogue in catalogues):
        if isinstance(match, SkyMatch):
            found |= {name: found.get(name, False) for name in list_position_columns(match.to)}
        elif match.to != "star_id":
            found[match.to] = True
    return found


def list_position_columns(position):
    """Names of the columns of a position, with proper motions if it has them."""
    return [name for name in (position.ra, position.dec, position.pmra, position.pmdec) if name]


def add_catalogue(stars, catalogue, later=()):
    """Add the columns of a catalogue to a Stack and print how many stars it has; later: the catalogues to be matched after it.

    UserError if the file is no such table, a column is there already, no star is in it, or duplicates are asked to be errors.
    """
    table, columns, keys = read_catalogue(stars, catalogue, later)
    path, match, n = catalogue.path, catalogue.match, len(stars)
    if isinstance(match, SkyMatch):
        (ours, theirs), by = read_positions(stars, table, match), f'within {match.radius:g}"'
        matches = resolve_pairs(
            pair_by_position(ours, theirs, match.radius), n, catalogue.duplicates, stars.star_id
        )
        unknown = int(np.isnan(ours).any(axis=1).sum())
    else:
        ours, theirs, by = (
            stars.identifiers(match.to, path),
            tables.read_identifiers(table, match.id),
            f"by {match.id}",
        )
        matches, unknown = (
            resolve_pairs(pair_by_id(ours, theirs), n, catalogue.duplicates),
            int(pd.isna(ours).sum()),
        )
        if n and (matches.entry < 0).all():
            example = " and ".join(
                repr(next((one for one in ids if one is not None), None)) for ids in (ours, theirs)
            )
            raise UserError(
                f"{path}: no star has its {match.to} in {match.id}; they look like {example}: mend `match`"
            )
    if catalogue.duplicates == "error":
        refuse_duplicates(matches, stars, path)
    found = f"{format_count(int((matches.entry >= 0).sum()))} of {format_count(n)} stars {by}"
    print(f"{path}: matched {found}{describe_unmatched(matches, unknown, catalogue)}")
    stars.add(columns, keys, matches.entry)


def read_catalogue(stars, catalogue, later):
    """(Table, its Columns to add, {name: (m,)} of identifiers for later catalogues); prints what is not added."""
    path, match, chosen = catalogue.path, catalogue.match, catalogue.columns or {}
    wanted = {
        name: is_id
        for name, is_id in list_match_columns(later).items()
        if name not in (*stars.values, *stars.keys)
    }
    theirs = {name: chosen.get(name, name) for name in wanted}
    own = list_position_columns(match) if isinstance(match, SkyMatch) else [match.id]
    texts = [theirs[name] for name, is_id in wanted.items() if is_id] + (
        [] if isinstance(match, SkyMatch) else own
    )
    table = tables.read_table(
        path, catalogue.columns and list(chosen.values()), theirs.values(), texts, own
    )
    there = (
        []
        if catalogue.columns
        else [name for name in table.frame if name.removesuffix("_err") in stars.values]
    )
    ids = [] if isinstance(match, SkyMatch) else own
    columns = tables.extract_columns(table, catalogue.columns, leave=(*there, *ids), known=stars.values)
    if twice := [name for name in columns.values if name in stars.values]:
        raise UserError(
            f"{path}: {', '.join(twice)} is a column of the databases already: rename it in `columns`"
        )
    known = () if stars.errors is None else stars.errors
    if twice := [name for name in columns.errors if name in known]:
        raise UserError(
            f"{path}: {', '.join(twice)} has errors in the databases already: leave {twice[0]}_err out of `columns`"
        )
    if left := [*columns.unused, *(f"{name} (there already)" for name in there)]:
        print(f"{path}: not kept: {', '.join(left)}")
    return table, columns, tables.read_match_keys(table, theirs, wanted)


def pair_by_id(ours, theirs):
    """The Pairs of equal identifiers, texts (n,) and (m,), None where missing."""
    left = pd.DataFrame({"id": ours, "row": np.arange(len(ours))}).dropna()
    right = pd.DataFrame({"id": theirs, "entry": np.arange(len(theirs))}).dropna()
    found = left.merge(right, on="id")
    return Pairs(found["row"].to_numpy(), found["entry"].to_numpy(), np.zeros(len(found)))


def pair_by_position(ours, theirs, radius):
    """The Pairs of positions (n, 2) and (m, 2), right ascension and declination in deg, that lie within a radius (arcsec)."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    rows, entries = (np.flatnonzero(np.isfinite(one).all(axis=1)) for one in (ours, theirs))
    if not (len(rows) and len(entries)):
        return Pairs(rows[:0], entries[:0], np.empty(0))
    sky = (SkyCoord(*one[known].T, unit="deg") for one, known in ((ours, rows), (theirs, entries)))
    i, j, distance, _ = search_around_sky(*sky, radius * u.arcsec)
    return Pairs(rows[i], entries[j], distance.arcsec)


def read_positions(stars, table, match):
    """Positions (n, 2) of the stars and (m, 2) of the catalogue in deg, at one epoch where one of them has proper motions."""
    found = []
    ours, theirs = (
        (lambda name: stars.numbers(name, table.path)),
        (lambda name: tables.read_numbers(table, table.frame[name])),
    )
    numbers = {"join.databases": ours, table.path: theirs}
    for (path, of), place in zip(numbers.items(), (match.to, match)):
        place = [of(name).astype("f8") for name in list_position_columns(place)]
        check_positions(path, match.to if path == "join.databases" else match, *place[:2])
        found.append(place)
    (ours, theirs), years = found, match.to.epoch - match.epoch
    if len(theirs) == 4:
        theirs = propagate_positions(*theirs, years)
    elif len(ours) == 4:
        ours = propagate_positions(*ours, -years)
    return np.column_stack(ours[:2]), np.column_stack(theirs[:2])


def check_positions(path, place, ra, dec):
    """UserError if positions (n,) are none in degrees."""
    for name, values, low, high in ((place.ra, ra, -180, 360), (place.dec, dec, -90, 90)):
        bad = (values < low) | (values > high)
        if bad.any():
            raise UserError(
                f"{path}: {name} is {values[bad.argmax()]:g}, expected within [{low}, {high}] deg"
            )


def propagate_positions(ra, dec, pmra, pmdec, years):
    """(ra, dec) in deg (n,) after some years of proper motion, mas/yr with that in ra times cos dec; one not known is none."""
    ra, dec = np.radians(ra), np.radians(dec)
    star = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    east = np.array([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    star = (
        star + (east * np.nan_to_num(pmra) + north * np.nan_to_num(pmdec)) * MAS * years
    )  # (3, n)
    return np.degrees(np.arctan2(star[1], star[0])) % 360, np.degrees(
        np.arctan2(star[2], np.hypot(star[0], star[1]))
    )


def resolve_pairs(pairs, n, rule, star_id=None):
    """The Matches of n stars: each takes its nearest candidate, or the first in the catalogue by the rule "first".

    With star_id (n,), an entry goes to one star only: to the nearest or the first that takes it, with all rows of that star.
    """
    nearest = rule != "first"
    order = np.lexsort((pairs.entry, pairs.distance if nearest else pairs.entry, pairs.row))
    row, entry, distance = (one[order] for one in pairs)
    first = np.r_[True, row[1:] != row[:-1]][: len(row)]
    several, lost = np.bincount(row, minlength=n) > 1, np.zeros(n, bool)
    row, entry, distance = row[first], entry[first], distance[first]
    if star_id is not None and len(row):
        order = np.lexsort((row, distance if nearest else row, entry))
        begins = np.r_[True, np.diff(entry[order]) != 0]
        winner = row[order][begins][
            np.cumsum(begins) - 1
        ]  # of the entry that each of `order` takes
        lost[row[order]] = star_id[row[order]] != star_id[winner]
    found = np.full(n, -1)
    found[row] = np.where(lost[row], -1, entry)
    return Matches(found, several, lost)


def describe_unmatched(matches, unknown, catalogue):
    """`: 12 had several candidates (nearest taken), 92 have none` of Matches; unknown: how many have nothing to match by."""
    sky = isinstance(catalogue.match, SkyMatch)
    rule = "nearest" if sky and catalogue.duplicates == "nearest" else "first"
    none = int(((matches.entry < 0) & ~matches.lost).sum()) - unknown
    found = {
        f"had several candidates ({rule} taken)": int((matches.several & ~matches.lost).sum()),
        f"lost theirs to another star ({rule} in place)": int(matches.lost.sum()),
        "have none": none,
        f"have no {'position' if sky else catalogue.match.to}": unknown,
    }
    said = ", ".join(f"{format_count(n)} {what}" for what, n in found.items() if n)
    return f": {said}" if said else ""


def refuse_duplicates(matches, stars, path):
    """UserError if a star has several candidates, or shares its own with another star."""
    bad = matches.several | matches.lost
    if bad.any():
        star = stars.star_id[bad.argmax()].decode()
        what = f"{format_count(int(matches.several.sum()))} have several candidates, {format_count(int(matches.lost.sum()))} share theirs"
        raise UserError(
            f"{path}: {what}, such as {star}: set `duplicates` to nearest or first, or narrow the match"
        )
