"""Cross-matching of catalogues with the stars of the databases, by identifier or by position."""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base.console import format_count, print_line
from starlabels.base.errors import UserError
from starlabels.catalogues import table_columns, tables
from starlabels.config.data_sections import SkyMatch

POSITION_UNIT, MOTION_UNIT = "deg", "mas/yr"


class Pairs(NamedTuple):
    """Candidate matches (m,): row of the star, row of the catalogue, separation (arcsec)."""

    row: np.ndarray
    entry: np.ndarray
    distance: np.ndarray


class Matches(NamedTuple):
    """Matches of n stars: entry (n,) is the row of the catalogue, -1 for none.

    several (n,): True if a star has several candidates; lost (n,): True if another star took it.
    """

    entry: np.ndarray
    several: np.ndarray
    lost: np.ndarray


def list_match_columns(catalogues):
    """{column of ours: True if it is an identifier} that the catalogues are matched by."""
    columns = {}
    for match in (catalogue.match for catalogue in catalogues):
        if isinstance(match, SkyMatch):
            for name in list_position_columns(match.to):
                columns.setdefault(name, False)
        elif match.to != "star_id":
            columns[match.to] = True
    return columns


def list_position_columns(position):
    """Names of the columns of a position, and of its proper motion if it has one."""
    return [name for name in (position.ra, position.dec, position.pmra, position.pmdec) if name]


def add_catalogue(stars, catalogue, later=()):
    """Add the columns of a catalogue to the stars, and print how many stars are in it.

    Parameters
    ----------
    stars : StarStack, changed in place.
    catalogue : an entry of join.catalogues.
    later : the entries that are matched after it, whose identifiers it may bring.

    Raises
    ------
    UserError
        If the file is not such a table, a column exists already, no star is matched by identifier,
        or stars have several candidates where `duplicates` is error.
    """
    table, columns, keys = read_catalogue(stars, catalogue, later)
    if isinstance(catalogue.match, SkyMatch):
        matches, n_unknown = match_by_position(stars, table, catalogue)
        by = f'within {catalogue.match.radius:g}"'
    else:
        matches, n_unknown = match_by_id(stars, table, catalogue)
        by = f"by {catalogue.match.id}"
    if catalogue.duplicates == "error":
        refuse_duplicates(matches, stars, catalogue.path)
    n_matched = format_count(int((matches.entry >= 0).sum()))
    rest = describe_unmatched(matches, n_unknown, catalogue)
    print(f"{catalogue.path}: matched {n_matched} of {format_count(len(stars))} stars {by}{rest}")
    stars.add_columns(columns, keys, matches.entry)


def read_catalogue(stars, catalogue, later):
    """(Table, its Columns to add, {name: (m,)} of keys for later catalogues); prints the rest."""
    path = catalogue.path
    chosen = catalogue.columns or {}
    is_id = list_match_columns(later)
    existing = (*stars.values, *stars.keys)
    is_id = {name: is_id[name] for name in is_id if name not in existing}
    sources = {name: chosen.get(name, name) for name in is_id}
    is_sky = isinstance(catalogue.match, SkyMatch)
    own = list_position_columns(catalogue.match) if is_sky else [catalogue.match.id]
    ids = [] if is_sky else own
    texts = [*ids, *(sources[name] for name in is_id if is_id[name])]
    names = catalogue.columns and list(chosen.values())
    table = tables.read_table(path, names, sources.values(), texts, own)
    existing = []
    if not catalogue.columns:
        existing = [name for name in table.frame if name.removesuffix("_err") in stars.values]
    leave = (*existing, *ids)
    columns = table_columns.extract_columns(table, catalogue.columns, leave, known=stars.values)
    if twice := [name for name in columns.values if name in stars.values]:
        problem = f"{', '.join(twice)} is a column of the databases already"
        raise UserError(f"{path}: {problem}: rename it in `columns`")
    known_errors = () if stars.errors is None else stars.errors
    if twice := [name for name in columns.errors if name in known_errors]:
        problem = f"{', '.join(twice)} has errors in the databases already"
        raise UserError(f"{path}: {problem}: leave {twice[0]}_err out of `columns`")
    left_out = [*columns.unused, *(f"{name} (exists already)" for name in existing)]
    if left_out:
        print_line(f"{path}: not kept: {', '.join(left_out)}")
    return table, columns, table_columns.read_match_keys(table, sources, is_id)


def match_by_position(stars, table, catalogue):
    """(Matches, number of stars without a position) of stars near an entry of a Table."""
    ours, theirs = read_positions(stars, table, catalogue.match)
    pairs = pair_by_position(ours, theirs, catalogue.match.radius)
    matches = resolve_pairs(pairs, len(stars), catalogue.duplicates, stars.star_id)
    return matches, int(np.isnan(ours).any(axis=1).sum())


def match_by_id(stars, table, catalogue):
    """(Matches, number of stars without an identifier); UserError if no star is in the Table."""
    match = catalogue.match
    ours = stars.get_identifiers(match.to, catalogue.path)
    theirs = table_columns.read_identifiers(table, match.id)
    matches = resolve_pairs(pair_by_id(ours, theirs), len(stars), catalogue.duplicates)
    if len(stars) and (matches.entry < 0).all():
        first = [next((text for text in ids if text is not None), None) for ids in (ours, theirs)]
        problem = f"no star has its {match.to} in {match.id}"
        look = f"they look like {first[0]!r} and {first[1]!r}"
        raise UserError(f"{catalogue.path}: {problem}; {look}: fix `match`")
    return matches, int(pd.isna(ours).sum())


def pair_by_id(ours, theirs):
    """Pairs of equal identifiers, texts (n,) and (m,), None where missing."""
    left = pd.DataFrame({"id": ours, "row": np.arange(len(ours))}).dropna()
    right = pd.DataFrame({"id": theirs, "entry": np.arange(len(theirs))}).dropna()
    merged = left.merge(right, on="id")
    return Pairs(merged["row"].to_numpy(), merged["entry"].to_numpy(), np.zeros(len(merged)))


def pair_by_position(ours, theirs, radius):
    """Pairs of positions (n, 2) and (m, 2), RA and Dec in deg, closer than a radius (arcsec)."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    rows = np.flatnonzero(np.isfinite(ours).all(axis=1))
    entries = np.flatnonzero(np.isfinite(theirs).all(axis=1))
    if not (len(rows) and len(entries)):
        return Pairs(rows[:0], entries[:0], np.empty(0))
    our_sky = SkyCoord(*ours[rows].T, unit="deg")
    their_sky = SkyCoord(*theirs[entries].T, unit="deg")
    i, j, distance, _ = search_around_sky(our_sky, their_sky, radius * u.arcsec)
    return Pairs(rows[i], entries[j], distance.arcsec)


def read_positions(stars, table, match):
    """Positions (n, 2) of the stars and (m, 2) of the catalogue in deg.

    Both are at one epoch if one of them has proper motions.
    """
    ours = [
        stars.get_numbers(name, table.path).astype("f8") for name in list_position_columns(match.to)
    ]
    targets = (POSITION_UNIT, POSITION_UNIT, MOTION_UNIT, MOTION_UNIT)
    theirs = [
        table_columns.read_quantity(table, name, target).astype("f8")
        for name, target in zip(list_position_columns(match), targets)
    ]
    check_positions("join.databases", match.to, *ours[:2])
    check_positions(table.path, match, *theirs[:2])
    years = match.to.epoch - match.epoch
    if len(theirs) == 4:
        theirs = propagate_positions(*theirs, years)
    elif len(ours) == 4:
        ours = propagate_positions(*ours, -years)
    return np.column_stack(ours[:2]), np.column_stack(theirs[:2])


def check_positions(path, position, ra, dec):
    """UserError if RA or Dec (n,) are outside their range in degrees."""
    for name, values, low, high in ((position.ra, ra, -180, 360), (position.dec, dec, -90, 90)):
        bad = (values < low) | (values > high)
        if bad.any():
            value = f"{name} is {values[bad.argmax()]:g}"
            raise UserError(f"{path}: {value}, expected within [{low}, {high}] deg")


def propagate_positions(ra, dec, pmra, pmdec, years):
    """(RA, Dec) in deg (n,) after some years of proper motion in mas/yr, pmra times cos Dec.

    A missing proper motion counts as none.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from erfa import ErfaWarning

    motion = u.mas / u.yr
    pm_ra = np.nan_to_num(pmra) * motion
    pm_dec = np.nan_to_num(pmdec) * motion
    stars = SkyCoord(ra=ra * u.deg, dec=dec * u.deg, pm_ra_cosdec=pm_ra, pm_dec=pm_dec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ErfaWarning)  # the distances are unknown
        moved = stars.apply_space_motion(dt=years * u.yr)
    return moved.ra.deg, moved.dec.deg


def resolve_pairs(pairs, n, rule, star_id=None):
    """Choose among candidates for n stars.

    A star takes its nearest candidate or, if `rule` is first, the first in the catalogue. With
    star_id (n,), an entry goes to one star only, with all rows of that star: to the nearest or
    first that takes it.

    Returns
    -------
    Matches
    """
    nearest = rule != "first"
    order = np.lexsort((pairs.entry, pairs.distance if nearest else pairs.entry, pairs.row))
    row, entry, distance = (values[order] for values in pairs)
    is_first = np.r_[True, row[1:] != row[:-1]][: len(row)]
    several = np.bincount(row, minlength=n) > 1
    lost = np.zeros(n, bool)
    row, entry, distance = row[is_first], entry[is_first], distance[is_first]
    if star_id is not None and len(row):
        order = np.lexsort((row, distance if nearest else row, entry))
        begins = np.r_[True, np.diff(entry[order]) != 0]
        # winner: row of the star that gets the entry, for each element of `order`
        winner = row[order][begins][np.cumsum(begins) - 1]
        lost[row[order]] = star_id[row[order]] != star_id[winner]
    matched = np.full(n, -1)
    matched[row] = np.where(lost[row], -1, entry)
    return Matches(matched, several, lost)


def describe_unmatched(matches, n_unknown, catalogue):
    """`: 12 had several candidates (nearest taken), 92 have none`; n_unknown lack a key."""
    is_sky = isinstance(catalogue.match, SkyMatch)
    rule = "nearest" if is_sky and catalogue.duplicates == "nearest" else "first"
    n_none = int(((matches.entry < 0) & ~matches.lost).sum()) - n_unknown
    numbers = {
        f"had several candidates ({rule} taken)": int((matches.several & ~matches.lost).sum()),
        f"lost theirs to another star ({rule} in place)": int(matches.lost.sum()),
        "have none": n_none,
        f"have no {'position' if is_sky else catalogue.match.to}": n_unknown,
    }
    parts = ", ".join(f"{format_count(n)} {words}" for words, n in numbers.items() if n)
    return f": {parts}" if parts else ""


def refuse_duplicates(matches, stars, path):
    """UserError if a star has several candidates, or shares its candidate with another star."""
    bad = matches.several | matches.lost
    if bad.any():
        star = stars.star_id[bad.argmax()].decode()
        several = format_count(int(matches.several.sum()))
        shared = format_count(int(matches.lost.sum()))
        problem = f"{several} have several candidates, {shared} share theirs, such as {star}"
        raise UserError(
            f"{path}: {problem}: set `duplicates` to nearest or first, or narrow the match"
        )
