"""starlabels from Python: labels of spectra, and spectra of labels.

from starlabels import Predictor
star = Predictor.load("observed_lowres")(wave, flux, error, resolving_power=1800)
star.labels, star.errors, star.covariance, star.flags
"""

import tempfile
from pathlib import Path

import numpy as np

from starlabels.base.errors import UserError
from starlabels.base.install import MODEL_FOLDER
from starlabels.config import load
from starlabels.spectra.assembly import build_observed_spectrum
from starlabels.spectra.error_kinds import read_errors
from starlabels.spectra.results import FittedSpectrum, StarResult
from starlabels.spectra.spectrum import ObservedSpectrum, RawSpectrum, ReadOptions
from starlabels.spectra.velocity import REACH
from starlabels.stages import derived_columns, model_choice, observed_inputs
from starlabels.stages.spectrum_options import check_values


class Star:
    """Labels of one spectrum; in a notebook it shows its figure.

    Attributes
    ----------
    labels, errors : dict
        {label: value} and {label: standard error} in physical units: K, dex, km/s.
    covariance : array (n_labels, n_labels)
        Of the errors, in the order of `labels`. Its off-diagonal elements are NaN where the model
        gives no correlations.
    flags : list of str
        Each reason not to trust the labels without a check, in words.
    status : str
        "ok" or "flagged".
    rv, rv_err : float
        Radial velocity and its error (km/s); NaN if the spectrum is at rest.
    snr, chi2 : float
        Median S/N per pixel of the model, and reduced chi-square of the spectrum at the labels.
    notes : tuple of str
        What was assumed.
    result : StarResult
    spectrum : FittedSpectrum or None
        The prepared spectrum and the model at the labels.
    """

    def __init__(self, result: StarResult, spectrum: FittedSpectrum | None, lines: dict):
        self.result = result
        self.spectrum = spectrum
        self.labels: dict[str, float] = result.labels
        self.errors: dict[str, float] = result.errors
        self.flags: list[str] = result.reasons
        self.status: str = result.status
        self.rv, self.rv_err, self.snr, self.chi2 = (
            result.rv, result.rv_err, result.snr, result.chi2,
        )  # fmt: skip
        self.notes = result.notes
        self.covariance = collect_covariance(result)
        self._lines = lines

    def __repr__(self) -> str:
        from starlabels.stages.predict import format_result

        return format_result(self.result)

    def plot(self, path: str | Path) -> Path:
        """Draw the spectrum over the model at the labels into a PNG file; its path."""
        import matplotlib

        if self.spectrum is None:
            raise UserError(f"{self.result.name}: there is no spectrum to draw")
        backend = matplotlib.get_backend()
        with matplotlib.rc_context():  # the user's own figures keep their style
            from starlabels.plots import observed_spectra, use_style

            use_style()
            drawn = observed_spectra.draw_star(self.spectrum, self.result, Path(path), self._lines)
        matplotlib.use(backend)
        return drawn

    def _repr_png_(self) -> bytes | None:
        if self.spectrum is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return self.plot(Path(folder) / "star.png").read_bytes()


class Predictor:
    """A trained model that gives the labels of observed spectra; see `load`."""

    def __init__(self, predictor, rv_range: float = REACH):
        self._predictor = predictor
        self.rv_range = rv_range
        self.labels: list[str] = list(predictor.cfg.labels)
        self.wave: np.ndarray = predictor.axis.wave
        self.medium: str = predictor.axis.medium

    @classmethod
    def load(
        cls,
        model: str | Path = "observed_lowres",
        *,
        rv_range: float = REACH,
        window: tuple[float, float] | None = None,
    ) -> "Predictor":
        """Load a trained model.

        Parameters
        ----------
        model : str or path
            Folder models/<run>, or the name of a model in the box.
        rv_range : float
            Radial velocities to search on either side of 0 (km/s).
        window : (low, high), optional
            Part of the model's wavelengths to use (A, at rest).

        Raises
        ------
        UserError
            If there is no such model, or it reads no spectra.
        """
        from starlabels.stages.predict_spectra import open_predictor

        folder = model_choice.locate_model(Path(model))
        path = folder / model_choice.CONFIG
        if not path.is_file():
            names = ", ".join(sorted(found.name for found in MODEL_FOLDER.glob("*/")))
            raise UserError(f"{model} has no trained model: give models/<run>, or one of {names}")
        cfg = load.load_config(path, is_trained=True)
        if cfg.wave is None:
            raise UserError(f"{model} reads tables, no spectra: use predict.py with a table")
        return cls(open_predictor(cfg, folder, rv_range, window), rv_range)

    def __call__(
        self,
        wave,
        flux=None,
        error=None,
        *,
        resolving_power: float | None = None,
        medium: str | None = None,
        rv: float | None = None,
        normalised: bool = False,
        name: str = "star",
    ) -> Star:
        """Predict the labels of one spectrum.

        Parameters
        ----------
        wave : array (n,), Quantity (n,), specutils.Spectrum, or list of tuples
            Wavelengths in A unless it has a unit. Instead of arrays: a spectrum of specutils, or
            a list of (wave, flux, error) of several arms, orders or exposures of the star.
        flux, error : array (n,)
            Flux in any unit and its standard error; without error it is estimated.
        resolving_power : float, optional
            lambda / FWHM; default: that of the model.
        medium : str, optional
            "air" or "vacuum"; found by the lines or assumed, if it is not given.
        rv : float, optional
            Radial velocity (km/s); measured, if it is not given. 0: at rest.
        normalised : bool
            True if the spectrum is on the pixels of the model, at rest, with a continuum of 1.
        name : str
            For messages and figures.

        Raises
        ------
        UserError
            If the spectrum cannot be used, with the reason.
        """
        given = {"resolving_power": resolving_power, "medium": medium, "rv": rv}
        check_values({key: value for key, value in given.items() if value is not None}, "")
        arms = wave if is_list_of_arms(wave, flux) else [(wave, flux, error)]
        raw = [build_raw_spectrum(name, *arm)._replace(rest=normalised, normalised=normalised)
               for arm in arms]  # fmt: skip
        window = (self.wave[0], self.wave[-1])
        options = ReadOptions(medium=medium, resolving_power=resolving_power, window=window)
        observed = build_observed_spectrum(Path(name), raw, options)._replace(name=name, rv=rv)
        return self.predict_spectrum(observed)

    def predict_spectrum(self, observed: ObservedSpectrum) -> Star:
        """Star of an ObservedSpectrum; UserError if it cannot be used."""
        inner = self._predictor
        observed = observed_inputs.select_window(observed, self.wave, self.rv_range)
        prepared = observed_inputs.prepare_on_axis(observed, inner.preparer, inner.axis, False)
        [result], [spectrum] = inner.predict_batch([(observed, prepared)])
        if result.problem:
            raise UserError(f"{observed.name}: {result.problem}")
        return Star(result, spectrum, inner.cfg.get_lines(inner.axis.medium))


class Generator:
    """A trained generator: spectra at given labels; see `load`."""

    def __init__(self, generator):
        self._generator = generator
        self.wave: np.ndarray = generator.wave
        self.medium: str = generator.medium
        self.ranges = {
            name: (float(low), float(high))
            for name, low, high in zip(generator.names, generator.low, generator.high)
        }

    @classmethod
    def load(cls, model: str | Path = "rvs_generator_best") -> "Generator":
        """Load a generator: a folder models/<run>, or the name of one in the box."""
        from starlabels.learning import generator

        return cls(generator.open_folder(model_choice.locate_model(Path(model))))

    def __call__(self, **labels) -> np.ndarray:
        """Flux (n, n_pix), continuum 1, on `wave` at labels: numbers, or arrays (n,) of each.

        UserError if a label is missing, unknown or outside `ranges`.
        """
        return self._generator.spectra(labels)


def is_list_of_arms(wave, flux):
    """True if `wave` is a list of spectra, and not of wavelengths."""
    return flux is None and isinstance(wave, (list, tuple)) and not np.isscalar(wave[0])


def build_raw_spectrum(name, wave, flux=None, error=None):
    """RawSpectrum of arrays, quantities or a spectrum of specutils; UserError if unfit."""
    if hasattr(wave, "spectral_axis"):
        spectrum = wave
        wave, flux = spectrum.spectral_axis, spectrum.flux
        error = read_uncertainty(spectrum)
    if flux is None:
        raise UserError(f"{name}: no flux: give wave and flux, or a spectrum of specutils")
    wave = convert_to_angstrom(wave)
    flux = np.ravel(np.asarray(getattr(flux, "value", flux), float))
    if error is not None:
        error = np.ravel(np.asarray(getattr(error, "value", error), float))
    sizes = {len(wave), len(flux), len(flux if error is None else error)}
    if len(sizes) > 1:
        raise UserError(f"{name}: found {len(wave)} wavelengths and {len(flux)} fluxes, "
                        "expected one flux and one error for each")  # fmt: skip
    return RawSpectrum(wave, flux, error, unit="Angstrom")


def convert_to_angstrom(wave):
    """Wavelengths (n,) in A of numbers in A or of a Quantity."""
    if getattr(wave, "unit", None) is not None and hasattr(wave, "quantity"):  # a table's column
        wave = wave.quantity
    if hasattr(wave, "to_value"):
        from astropy import units

        wave = wave.to_value(units.AA, equivalencies=units.spectral())
    return np.ravel(np.asarray(wave, float))


def read_uncertainty(spectrum):
    """Standard errors (n,) of a spectrum of specutils; None if it has none."""
    uncertainty = getattr(spectrum, "uncertainty", None)
    if uncertainty is None:
        return None
    kind = {"std": "sigma", "var": "variance", "ivar": "ivar"}[uncertainty.uncertainty_type]
    values = np.asarray(uncertainty.array, float)
    flux = np.asarray(spectrum.flux.value, float)
    return read_errors("uncertainty", values, flux, kind)[0]


def collect_covariance(result):
    """Covariance (n_labels, n_labels) of a StarResult."""
    names = list(result.labels)
    sigma = np.array([result.errors[name] for name in names])
    correlation = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(correlation, 1.0)
    for column, (first, second) in derived_columns.name_correlations(names).items():
        i, j = names.index(first), names.index(second)
        correlation[i, j] = correlation[j, i] = result.extras.get(column, np.nan)
    return correlation * np.outer(sigma, sigma)
