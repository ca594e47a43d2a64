"""Wrapper around SMElib, the radiative transfer of SME, through PySME's low-level interface.

SMElib: Piskunov & Valenti (2017), A&A 597, A16. It keeps its state in globals and may end its
process when its equation of state fails, so that everything here runs in worker processes: see
`node_synthesis.compute_node`. Importing pysme writes into HOME: workers get a private one
(`enter_sandbox`).
"""

import contextlib
import logging
import os
import tempfile

import numpy as np

from starlabels.synthesis import atmosphere_choice

N_ANGLES = 3  # Gauss-Legendre in mu; against 7 angles mean |dF| = 3e-5
# Line-to-continuum opacity below which a line is dropped; against 1e-4 mean |dF| = 2e-4
LINE_ACCURACY = 1e-3
CONTINUUM_STEP = 2.0  # A; error below 1e-7
# PySME's default opacity sources: all but the 13th (H2O etc. of cool giants) and beyond
OPACITY_FLAGS = np.array([1] * 13 + [0, 1] + [0] * 5, np.int16)
# PySME's solar pattern; metals are scaled by [M/H], hydrogen and helium are not
NUCLEUS_ABUNDANCE = "solar"


def enter_sandbox(keep_home=False, inside=None):
    """Give this worker process a private current folder and HOME.

    pysme and SMElib may leave their files there. keep_home: keep the user's HOME, so that PySME
    stores downloaded atmosphere grids in ~/.sme. inside: parent folder, by default the folder
    for temporary files.
    """
    folder = tempfile.mkdtemp(prefix="starlabels-sme-", dir=inside)
    if not keep_home:
        os.environ["HOME"] = folder
    os.chdir(folder)
    logging.disable(logging.INFO)


@contextlib.contextmanager
def silence_output():
    """Suppress everything that SMElib prints; it writes to the file descriptors directly."""
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    with open(os.devnull, "w") as devnull:
        for descriptor in (1, 2):
            os.dup2(devnull.fileno(), descriptor)
    try:
        yield
    finally:
        for descriptor, old in zip((1, 2), saved):
            os.dup2(old, descriptor)
            os.close(old)


def make_quadrature(n):
    """Angles mu (n,) in (0, 1) from limb to centre and weights (n,) of the flux integral.

    The weights sum to 1: they are Gauss-Legendre weights of 2 I mu dmu.
    """
    x, weight = np.polynomial.legendre.leggauss(n)
    mu = 0.5 * (x + 1)
    return mu[::-1].copy(), (weight * mu)[::-1].copy()


def make_structure(rhox, temperature, n_electron, n_atom, density):
    """A model atmosphere in SMElib's format.

    Arrays (n_layers,) in cgs units, column mass rhox in g/cm2, from the top down.
    """
    return {
        "depth": "RHOX", "geom": "PP", "wlstd": 5000.0, "opflag": OPACITY_FLAGS, "RHOX": rhox,
        "temp": temperature, "xne": n_electron, "xna": n_atom, "rho": density,
    }  # fmt: skip


def make_atmosphere(kind, teff, logg, mh):
    """The structure (see `make_structure`) of a model atmosphere at teff (K), logg and mh (dex).

    kind: "builtin", "atlas9" or "marcs", or the file name of one of PySME's grids, which is
    downloaded once. Raises ValueError if the grid does not reach the labels.
    """
    if kind in atmosphere_choice.SOURCES:
        return make_structure(*atmosphere_choice.make_structure(kind, teff, logg, mh))
    from pysme.atmosphere.interpolation import AtmosphereInterpolator

    interpolator = AtmosphereInterpolator(depth="RHOX", interp="TAU")
    model = interpolator.interp_atmo_grid(kind, teff, logg, mh)
    return make_structure(model.rhox, model.temp, model.xne, model.xna, model.rho)


def thin_structure(structure, step):
    """Keep only each step-th layer of a structure."""
    layers = ("RHOX", "temp", "xne", "xna", "rho")
    return structure | {name: np.ascontiguousarray(structure[name][::step]) for name in layers}


class Engine:
    """An SMElib instance: load a model, then compute spectra or opacities of it.

    Attributes
    ----------
    line_strength : array (n_lines,)
        Greatest opacity of each line relative to the continuum, of the last selection.
    """

    def __init__(self):
        from pysme.abund import Abund
        from pysme.sme_synth import SME_DLL

        self._abundance = Abund
        self.lib = SME_DLL()
        self.lib.SetLibraryPath()
        self.lib.SetHlinopWarningMode(2)
        self.lib.SetContinuumOpacityGrid(CONTINUUM_STEP)
        self.lib.SetAdaptiveTransferGridMode("batched")
        self.mu, self.weight = make_quadrature(N_ANGLES)

    def load_model(
        self, lines, atmosphere, mh, vmic, teff=6000.0, logg=4.0, adopt_eos=False, abundances=None
    ):
        """Load a model, which replaces the last one.

        Parameters
        ----------
        lines : LineList
        atmosphere : dict
            Structure, see `make_structure`.
        mh : float
            [M/H] (dex).
        vmic : float
            Microturbulence (km/s).
        adopt_eos : bool
            Take densities from SMElib's equation of state.
        abundances : dict, optional
            {element: [X/M] in dex} of elements that are not scaled solar.
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

    def compute_spectrum(self, wave):
        """Continuum-normalised flux (n_pix,) of the model on increasing wavelengths (A, air)."""
        # Mode 1 adds scattering to the source function of the continuum, not to that of the
        # spectrum: without any line their ratio was 1.04 at 15 000 K / logg 2.5, 0.86 at 4500 K /
        # 1 / [M/H] -2. With mode 0 it is 1
        self.lib.SetContinuumScatteringSourceMode(0)
        self.select_lines(wave[0], wave[-1], LINE_ACCURACY)
        _, _, intensity, continuum = self.lib.Transf(
            self.mu, wave=np.ascontiguousarray(wave), accrt=LINE_ACCURACY
        )
        return (self.weight @ intensity) / (self.weight @ continuum)

    def select_lines(self, wave_min, wave_max, accuracy):
        """Compute opacities in a window and keep the lines that matter there.

        Precomputed ranges of the lines reduce 77 s to 1 s.
        """
        self.lib.SetLineInfoMode(1)
        self.lib.InputWaveRange(float(wave_min), float(wave_max))
        self.lib.Opacity()
        strength, reach = self.lib.ALMAXRange(accrt=accuracy)
        self.line_strength = np.asarray(strength)
        strong = (self.line_strength >= accuracy).astype(np.uint8)
        self.lib.InputLinePrecomputedInfo(reach[:, 0], reach[:, 1], strong)

    def get_continuum_opacity(self, wave):
        """Absorption, scattering and total continuum opacity (3, n_layers) in cm2/g at `wave`."""
        return np.array(self.lib.GetContinuumOpacityComponents(float(wave)))

    def get_line_opacity(self, wave):
        """Line opacity (n_layers,) in cm2/g at one wavelength (A), after `select_lines`."""
        return np.asarray(self.lib.GetLineOpacity(float(wave))[0])

    def get_densities(self):
        """Electron and atom density (cm^-3) and mass density (g/cm3), each (n_layers,)."""
        return self.lib.GetNelec(), self.lib.GetNatom(), self.lib.GetDensity()
