"""Labels of a star: symbols and units for figures, limits, and their standard scaling."""

from typing import NamedTuple

import numpy as np


class Label(NamedTuple):
    """Properties of a label.

    Parameters
    ----------
    symbol, unit : str
        In LaTeX.
    plain_unit : str
        Unit in plain text.
    lowest : float
        Lowest physical value.
    positive : bool
        True if the label is always above 0.
    """

    symbol: str
    unit: str
    plain_unit: str
    lowest: float = -np.inf
    positive: bool = False

    @property
    def axis(self):
        """Symbol with unit in brackets, for an axis."""
        return f"{self.symbol} ({self.unit})" if self.unit else self.symbol


KMS = r"km s$^{-1}$"
LABELS = {
    "teff": Label(r"$T_{\rm eff}$", "K", "K"),
    "logg": Label(r"$\log g$", "dex", "dex"),
    "mh": Label("[M/H]", "dex", "dex"),
    "feh": Label("[Fe/H]", "dex", "dex"),
    "alpha_m": Label(r"[$\alpha$/M]", "dex", "dex"),
    "vmic": Label(r"$v_{\rm mic}$", KMS, "km/s", 0.0),
    "vsini": Label(r"$v\sin i$", KMS, "km/s", 0.0),
    "rv": Label(r"$v_{\rm r}$", KMS, "km/s"),
    "resolving_power": Label("$R$", "", "", 0.0),
    "parallax": Label(r"$\varpi$", "mas", "mas"),
    "k_mag": Label("$K_s$", "mag", "mag"),
    "a_k": Label("$A_K$", "mag", "mag"),
    "distance": Label("$d$", "pc", "pc"),
    "fakemag": Label(r"$L_{K_s}$", "mas", "mas", 0.0, positive=True),  # see distances.py
}

# Elements whose abundances can be set individually in synthetic spectra
ELEMENTS = ("Mg", "Al", "Si", "Ca", "Ti", "Cr", "Fe", "Ni")


def offset_name(element):
    """The label [X/M] of an element, such as mg_m."""
    return f"{element.lower()}_m"


def abundance_name(element):
    """The label [X/H] of an element, such as mg_h; feh for iron."""
    return "feh" if element == "Fe" else f"{element.lower()}_h"


OFFSETS = tuple(map(offset_name, ELEMENTS))
# [X/M] = [X/H] - [M/H]
OFFSET_OF = {abundance_name(element): offset_name(element) for element in ELEMENTS}
LABELS |= {offset_name(element): Label(f"[{element}/M]", "dex", "dex") for element in ELEMENTS}
LABELS |= {
    f"{element.lower()}_fe": Label(f"[{element}/Fe]", "dex", "dex")
    for element in ELEMENTS
    if element != "Fe"
}
LABELS |= {abundance_name(element): Label(f"[{element}/H]", "dex", "dex") for element in ELEMENTS}


def find_metallicity(names):
    """The metallicity among the names of labels: mh, else feh, else None."""
    return next((name for name in ("mh", "feh") if name in names), None)


def get_label(name, unit=""):
    """The Label of a name; an unknown name is its own symbol, with the given unit."""
    return LABELS.get(name) or Label(name.replace("_", " "), unit, unit)


def select_elemental(names):
    """The labels that are abundances [X/H] of single elements, without iron."""
    return [name for name in names if name in OFFSET_OF and name != "feh"]


def get_lowest(names):
    """Lowest physical value (n_labels,) of each label, -inf if unbounded."""
    return np.array([get_label(name).lowest for name in names])


def get_positive(names):
    """Boolean (n_labels,): True for labels that are always above 0.

    They are scaled by their size only, and networks predict them through a softplus.
    """
    return np.array([get_label(name).positive for name in names])


def scale_labels(values, mean, std):
    """Scale labels (..., n_labels) in physical units to zero mean and unit variance."""
    return (values - mean) / std


def unscale_labels(scaled, mean, std):
    """Convert scaled labels (..., n_labels) to physical units."""
    return scaled * std + mean
