"""Units of table columns: values are brought to the unit of their label, or a line says why not."""

import re
import warnings

from starlabels.base.console import print_line
from starlabels.base.labels import LABELS

FORMATS = ("generic", "cds", "fits", "vounit")  # ways to write a unit, tried in this order
NO_UNIT = ("", "-", "--", "---", "None", "none", "unitless", "dimensionless")

LOGARITHM = re.compile(r"'?log(?:10)?\((.+)\)'?")  # as Gaia's archive writes dex


def get_target_unit(name):
    """Unit in which a column, or the errors <name>_err of one, is used; "" if any will do."""
    base = name.removesuffix("_err")
    if base in LABELS:
        return LABELS[base].plain_unit
    return "mag" if base.endswith("_mag") else ""


def convert_to_unit(values, unit, target, subject, is_error=False):
    """Numbers (n,) in the unit `target`; a line says what was converted, or could not be.

    Parameters
    ----------
    values : numbers (n,).
    unit : text of the unit in the file, "" if it has none.
    target : text of the unit to bring them to, "" if any will do.
    subject : file and column, such as `stars.fits: parallax`.
    is_error : True for standard errors, which a change of the zero point leaves alone.
    """
    if unit in NO_UNIT or not target:
        return values
    found = parse_unit(unit)
    if found is None:
        print_line(f"{subject} has the unit {unit!r}, which is not known: taken as {target}")
        return values
    if target == "dex":
        return shift_gravity(values, found, subject, is_error)
    wanted = parse_unit(target)
    if found == wanted:
        return values
    if not found.is_equivalent(wanted) or hasattr(found, "physical_unit"):
        print_line(f"{subject} has the unit {unit!r}, which is none of {target}: taken as {target}")
        return values
    print_line(f"{subject}: converted from {unit} to {target}")
    return (values * found.to(wanted)).astype(values.dtype)


def shift_gravity(values, unit, subject, is_error):
    """Logarithms (n,): those of m/s2 become those of cm/s2, as log g is."""
    from astropy import units as u

    physical = getattr(unit, "physical_unit", None)
    gravity = u.Unit("cm/s2")
    if physical is None or not physical.is_equivalent(gravity) or physical == gravity:
        return values
    print_line(f"{subject}: converted from {unit} to dex(cm/s2)")
    shift = 0 if is_error else u.dex(physical).to(u.dex(gravity), 0)
    return (values + shift).astype(values.dtype)


def parse_unit(text):
    """The unit of astropy that a text names, or None."""
    from astropy import units as u

    if logarithm := LOGARITHM.fullmatch(text):
        physical = parse_unit(logarithm[1])
        return None if physical is None else u.dex(physical)
    for form in FORMATS:
        try:
            with warnings.catch_warnings(action="ignore"):
                return u.Unit(text, format=form)
        except (ValueError, TypeError):
            continue
    return None
