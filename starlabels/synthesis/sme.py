"""SMElib, the radiative transfer of SME (Piskunov & Valenti 2017, A&A 597, A16), driven through PySME's low-level wrapper.

SMElib keeps its state in globals and may end its process when its equation of state fails, so everything here runs in worker
processes: see `nodes.work`. Importing pysme writes into HOME: workers get a private one (`enter_sandbox`).
"""

import contextlib
import os
import tempfile

import numpy as np

N_ANGLES = 3  # Gauss-Legendre in mu; against 7 angles mean |dF| = 3e-5
LINE_ACCURACY = (
    1e-3  # line-to-continuum opacity below which a line is dropped; against 1e-4 mean |dF| = 2e-4
)
CONTINUUM_STEP = 2.0  # A; error below 1e-7
# Opacity sources as PySME's default: all but the 13th (H2O etc. of cool giants) and beyond
OPACITY_FLAGS = np.array([1] * 13 + [0, 1] + [0] * 5, np.int16)
NUCLEUS_ABUNDANCE = (
    "solar"  # PySME's solar pattern; metals are scaled by [M/H], hydrogen and helium are not
)


def enter_sandbox(keep_home=False, inside=None):
    """Give this (worker) process a current folder and HOME of its own, where pysme and SMElib may leave their files.

    With keep_home PySME keeps the atmosphere grids that it downloads in the user's ~/.sme. inside: a folder, else that for
    temporary files.
    """
    import logging

    folder = tempfile.mkdtemp(prefix="starlabels-sme-", dir=inside)
    if not keep_home:
        os.environ["HOME"] = folder
    os.chdir(folder)
    logging.disable(logging.INFO)


@contextlib.contextmanager
def silent():
    """Within it nothing that SMElib prints appears: it writes past python to the file descriptors."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with open(os.devnull, "w") as nowhere:
        for descriptor in (1, 2):
            os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        for descriptor, old in zip((1, 2), kept):
            os.dup2(old, descriptor)
            os.close(old)


def gauss_legendre(n):
    """Angles mu in (0, 1) from limb to centre and weights (n,) with sum(weights) = 1 for the flux integral 2 I mu dmu."""
    x, weight = np.polynomial.legendre.leggauss(n)
    mu = 0.5 * (x + 1)
    return mu[::-1].copy(), (weight * mu)[::-1].copy()


def structure(rhox, temperature, n_electron, n_atom, density):
    """A model atmosphere as SMElib takes it: arrays (n_layers,) in cgs, column mass rhox in g/cm2, from the top down."""
    return {
        "depth": "RHOX", "geom": "PP", "wlstd": 5000.0, "opflag": OPACITY_FLAGS, "RHOX": rhox,
        "temp": temperature, "xne": n_electron, "xna": n_atom, "rho": density,
    }  # fmt: skip


def atmosphere(kind, teff, logg, mh):
    """The `structure` of a built-in atmosphere, or of one of PySME's own grids (`kind` its file name, downloaded once).

    ValueError when the grid does not reach the labels.
    """
    if kind == "builtin":
        from starlabels.synthesis.atmosphere import builtin

        rhox, temperature, n_electron, n_atom, density = builtin(teff, logg, mh)
        return structure(rhox, temperature, n_electron, n_atom, density)
    from pysme.atmosphere.interpolation import AtmosphereInterpolator

    found = AtmosphereInterpolator(depth="RHOX", interp="TAU").interp_atmo_grid(
        kind, teff, logg, mh
    )
    return structure(found.rhox, found.temp, found.xne, found.xna, found.rho)


def thinned(structure, step):
    """A `structure` of each step-th layer only."""
    layers = ("RHOX", "temp", "xne", "xna", "rho")
    return structure | {name: np.ascontiguousarray(structure[name][::step]) for name in layers}


class Engine:
    """One SMElib. Load a model, then ask for spectra or opacities; the next load replaces the model."""

    def __init__(self):
        from pysme.abund import Abund
        from pysme.sme_synth import SME_DLL

        self._abundance = Abund
        self.lib = SME_DLL()
        self.lib.SetLibraryPath()
        self.lib.SetHlinopWarningMode(2)
        self.lib.SetContinuumOpacityGrid(CONTINUUM_STEP)
        self.lib.SetAdaptiveTransferGridMode("batched")
        self.mu, self.weight = gauss_legendre(N_ANGLES)

    def load(
        self, lines, atmosphere, mh, vmic, teff=6000.0, logg=4.0, adopt_eos=False, abundances=None
    ):
        """Set line list, `structure`, [M/H] (dex), vmic (km/s) and abundances {element: [X/M] in dex} that are not scaled.

        adopt_eos: densities from SMElib's equation of state.
        """
        self.lib.InputLineList(lines)
        self.lib.InputModel(teff, logg, float(vmic), atmosphere)
        pattern = self._abundance(mh, NUCLEUS_ABUNDANCE)
        for element, offset in (abundances or {}).items():
            pattern.set_xm(element, offset)
        self.lib.InputAbund(pattern)
        self.lib.Ionization(7 if adopt_eos else 0)
        self.lib.SetVWscale(1.0)
        self.lib.SetH2broad(True)

    def spectrum(self, wave):
        """Continuum-normalised flux (n_pix,) of the loaded model on an increasing grid `wave` (A, air)."""
        self.lib.SetContinuumScatteringSourceMode(
            1
        )  # changes the flux by 0.007 at 4500 K / logg 2, for no time
        self.select_lines(wave[0], wave[-1], LINE_ACCURACY)
        _, _, intensity, continuum = self.lib.Transf(
            self.mu, wave=np.ascontiguousarray(wave), accrt=LINE_ACCURACY
        )
        return (self.weight @ intensity) / (self.weight @ continuum)

    def select_lines(self, wave_min, wave_max, accuracy):
        """Compute opacities in a window and keep the lines that matter there (precomputed ranges: 77 s become 1 s)."""
        self.lib.SetLineInfoMode(1)
        self.lib.InputWaveRange(float(wave_min), float(wave_max))
        self.lib.Opacity()
        strength, reach = self.lib.ALMAXRange(accrt=accuracy)
        strong = (np.asarray(strength) >= accuracy).astype(np.uint8)
        self.lib.InputLinePrecomputedInfo(reach[:, 0], reach[:, 1], strong)

    def continuum_opacity(self, wave):
        """Absorption, scattering and total continuum opacity (3, n_layers) in cm2/g at one wavelength (A)."""
        return np.array(self.lib.GetContinuumOpacityComponents(float(wave)))

    def line_opacity(self, wave):
        """Line opacity (n_layers,) in cm2/g at one wavelength (A), after `select_lines`."""
        return np.asarray(self.lib.GetLineOpacity(float(wave))[0])

    def densities(self):
        """Electron and atom number densities (cm^-3) and mass density (g/cm3), each (n_layers,), of the loaded model."""
        return self.lib.GetNelec(), self.lib.GetNatom(), self.lib.GetDensity()
