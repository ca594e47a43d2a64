"""The labels of a star: how they are written in figures, and their standard scaling."""

from typing import NamedTuple

import numpy as np


class Label(NamedTuple):
    """Symbol and unit in LaTeX, unit in plain text, the least value there can be; positive: 0 is never reached."""

    symbol: str
    unit: str
    plain_unit: str
    get_lowest: float = -np.inf
    get_positive: bool = False

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


ELEMENTS = (
    "Mg",
    "Al",
    "Si",
    "Ca",
    "Ti",
    "Cr",
    "Fe",
    "Ni",
)  # that synthetic spectra may have abundances of their own for


def offset_name(element):
    """The label [X/M] of an element, such as mg_m."""
    return f"{element.lower()}_m"


def abundance_name(element):
    """The label [X/H] of an element, such as mg_h; that of iron is feh."""
    return "feh" if element == "Fe" else f"{element.lower()}_h"


OFFSETS = tuple(map(offset_name, ELEMENTS))
OFFSET_OF = {
    abundance_name(element): offset_name(element) for element in ELEMENTS
}  # [X/M] = [X/H] - [M/H]
LABELS |= {offset_name(element): Label(f"[{element}/M]", "dex", "dex") for element in ELEMENTS}
LABELS |= {
    f"{element.lower()}_fe": Label(f"[{element}/Fe]", "dex", "dex")
    for element in ELEMENTS
    if element != "Fe"
}
LABELS |= {abundance_name(element): Label(f"[{element}/H]", "dex", "dex") for element in ELEMENTS}


def get_label(name, unit=""):
    """The Label of that name; one we do not know is written as it is, with the unit its database gives."""
    return LABELS.get(name) or Label(name.replace("_", " "), unit, unit)


def select_elemental(names):
    """Those of the labels that are abundances [X/H] of single elements; iron's counts as one of the whole star."""
    return [name for name in names if name in OFFSET_OF and name != "feh"]


def get_lowest(names):
    """The least value (n_labels,) that each label can have in nature, -inf where there is none."""
    return np.array([get_label(name).lowest for name in names])


def get_positive(names):
    """Mask (n_labels,) of labels that are above 0 by nature: they are scaled by their size alone, and come from a softplus."""
    return np.array([get_label(name).positive for name in names])


def scale_labels(values, mean, std):
    """Labels (..., n_labels) in physical units to zero mean and unit variance."""
    return (values - mean) / std


def unscale_labels(scaled, mean, std):
    """Scaled labels (..., n_labels) back to physical units."""
    return scaled * std + mean
