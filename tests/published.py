"""Published model atmospheres in ../shared/reference: column mass, temperature, gas pressure."""

import re
from pathlib import Path

import numpy as np

SHARED = Path(__file__).parents[2] / "shared"
REFERENCE = SHARED / "reference"


def atlas9(name):
    """An ATLAS9 model in Kurucz's format."""
    text = (REFERENCE / name).read_text().splitlines()
    start = next(i for i, line in enumerate(text) if "READ DECK6" in line)
    rows = text[start + 1 : start + 1 + int(text[start].split()[2])]
    table = np.array(
        [[float(x) for x in re.findall(r"[-+]?\d+\.\d*(?:E[-+]?\d+)?", row)[:3]] for row in rows]
    )
    return table.T


def marcs(name):
    """A MARCS model as the MARCS site gives it."""
    text = (REFERENCE / name).read_text().splitlines()
    n = next(int(line.split()[0]) for line in text if "Number of depth points" in line)
    tables = []
    for column in ("Pe", "RHOX"):
        start = next(i for i, line in enumerate(text) if "lgTauR" in line and column in line)
        tables.append(
            np.array(
                [[float(x) for x in row.split()[:8]] for row in text[start + 1 : start + 1 + n]]
            )
        )
    return tables[1][:, 7], tables[0][:, 4], tables[0][:, 6]


def phoenix(name, logg):
    """A PHOENIX-ACES model (FITS); column mass from hydrostatic equilibrium."""
    from astropy.io import fits

    with fits.open(REFERENCE / name) as found:
        columns = {
            column.lower(): np.array(found[1].data[column], float) for column in found[1].data.names
        }
    pressure, temperature = columns["pgas"], columns["temp"]
    keep = np.argsort(pressure)
    keep = keep[pressure[keep] > 0]
    return pressure[keep] / 10**logg, temperature[keep], pressure[keep]


# name: (reader and its arguments, teff, logg, mh, largest mean |dF| allowed)
MODELS = {
    "ATLAS9 Sun": ((atlas9, "atlas9_sun.mod"), 5777.0, 4.437, 0.0, 0.003),
    "ATLAS9 8250/4/+0.5": ((atlas9, "atlas9_8250_4.0_p0.5.dat"), 8250.0, 4.0, 0.5, 0.003),
    "PHOENIX 9600/4": ((phoenix, "phoenix_9600_4.0.fits", 4.0), 9600.0, 4.0, 0.0, 0.002),
    "PHOENIX 5500/4.5": ((phoenix, "phoenix_5500_4.5.fits", 4.5), 5500.0, 4.5, 0.0, 0.005),
    "MARCS 5000/3": ((marcs, "marcs_5000_3.0.mod"), 5000.0, 3.0, 0.0, 0.005),
}


def structure(name):
    """Column mass (g/cm2), temperature (K) and gas pressure (cgs) (n_layer,) of a model."""
    (reader, *arguments), *_ = MODELS[name]
    return reader(*arguments)
