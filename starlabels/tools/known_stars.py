"""Observed and synthetic spectra of stars with known labels, prepared alike for a recipe."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.catalogues import tables
from starlabels.config.data_sections import Range
from starlabels.spectra import continuum, readers
from starlabels.spectra.discrepancy import NAMES
from starlabels.spectra.model_window import cut_around_window
from starlabels.spectra.nuisances import (
    LABEL_ERRORS,
    POWER_ERROR,
    VARIED,
    choose_rotation,
    choose_vmic,
)
from starlabels.spectra.preparation import SpectrumPreparer
from starlabels.spectra.spectrum import ReadOptions, check_spectrum
from starlabels.stages.recipe_nodes import open_sampler
from starlabels.stages.recipe_stars import draw_labels
from starlabels.synthesis.sampler import compute_derivatives

CONTINUUM_STARS = 2000  # synthetic spectra that train the model of the continuum


class KnownStars(NamedTuple):
    """Stars with known labels.

    Attributes
    ----------
    files : list of Path
    labels : dict
        {name: (n,)} of VARIED.
    errors : array (n, m)
        Standard errors of these labels, 0 where they are exact.
    medium : list of str or None
        Of the wavelengths, None if the file states it.
    source : array (n,)
        Number of the source of the labels, 0 of the first one in the table, the reference.
    """

    files: list
    labels: dict
    errors: np.ndarray
    medium: list
    source: np.ndarray

    def select(self, rows):
        """KnownStars of some rows."""
        return KnownStars(
            [self.files[i] for i in rows],
            {name: values[rows] for name, values in self.labels.items()},
            self.errors[rows],
            [self.medium[i] for i in rows],
            self.source[rows],
        )


def read_known_stars(path):
    """Read the table of stars with known labels.

    Parameters
    ----------
    path : str
        Table with columns file, teff, logg, mh (or feh) and resolving_power; optional are vmic,
        vsini, rv (km/s), the errors <label>_err, medium, and source, the source of the labels;
        the most reliable one comes first. Files are relative to the table.

    Returns
    -------
    KnownStars

    Raises
    ------
    UserError
        If the table cannot be read, lacks a column, or a number in it is missing.
    """
    frame = tables.read_table(path, texts=("file", "medium", "source")).drop_blank_rows().frame
    if "mh" not in frame and "feh" in frame:
        frame = frame.rename(columns={"feh": "mh", "feh_err": "mh_err"})
    needed = ("file", *NAMES, "resolving_power")
    if missing := [name for name in needed if name not in frame]:
        found = f"its columns are {', '.join(map(str, frame))}"
        raise UserError(f"{path}: {found}: add {', '.join(missing)}")
    for name in needed[1:]:
        bad = np.flatnonzero(~np.isfinite(frame[name].to_numpy(float)))
        if len(bad):
            where = f"{path}: {frame.file[bad[0]]}"
            raise UserError(f"{where}: no {name}: give it, or leave the row out")
    labels, errors = fill_labels(frame)
    files = [Path(path).parent / str(file).strip() for file in frame.file]
    media = frame["medium"].tolist() if "medium" in frame else [None] * len(frame)
    names = frame["source"].tolist() if "source" in frame else [""] * len(frame)
    source = np.array([list(dict.fromkeys(names)).index(name) for name in names])
    return KnownStars(files, labels, errors, [medium or None for medium in media], source)


def fill_labels(frame):
    """Labels {name: (n,)} and errors (n, m) of a table; usual values where it has none."""
    teff, logg = frame.teff.to_numpy(float), frame.logg.to_numpy(float)
    rotation, scatter = choose_rotation(teff)
    usual = {"vmic": choose_vmic(teff, logg), "vsini": rotation, "rv": np.zeros(len(teff))}
    power = frame.resolving_power.to_numpy(float)
    spread = LABEL_ERRORS | {"vsini": scatter, "resolving_power": POWER_ERROR * power}
    labels, errors = {}, []
    for name in VARIED:
        values = frame[name].to_numpy(float) if name in frame else np.full(len(teff), np.nan)
        known = np.isfinite(values)
        labels[name] = np.where(known, values, usual.get(name, np.nan))
        error = np.where(known & (name == "vsini"), LABEL_ERRORS["vsini"], spread[name])
        if f"{name}_err" in frame:
            given = frame[f"{name}_err"].to_numpy(float)
            error = np.where(np.isfinite(given), given, error)
        errors.append(error)
    return labels, np.column_stack(errors)


class StarComparison:
    """Prepares observed spectra of a recipe, and synthetic ones at the same labels.

    Parameters
    ----------
    cfg : Config
        Recipe with `grid` and `preprocess.observed`.

    Raises
    ------
    UserError
        If the recipe has no such section, or no nodes.
    """

    def __init__(self, cfg):
        if cfg.grid is None or cfg.preprocess.observed is None:
            hint = "set them as recipes/observed_lowres.yaml does"
            raise UserError(f"{cfg.path}: grid and preprocess.observed are needed: {hint}")
        self.wave = cfg.wave.grid()
        self.power = cfg.grid.resolving_power
        self.sampler = open_sampler(cfg)
        labels = draw_labels(cfg, np.random.default_rng(cfg.seed))[0]
        covered = np.flatnonzero(self.sampler.covers(labels))[:CONTINUUM_STARS]
        flux = self.sample({name: values[covered] for name, values in labels.items()})
        order = cfg.preprocess.observed.order
        self.continuum = continuum.fit_continuum_model(flux, self.wave, order)
        least = cfg.grid.labels.get("resolving_power", self.power)
        least = least.min if isinstance(least, Range) else float(least)
        self.preparer = SpectrumPreparer(self.wave, self.power, least, self.continuum, self.sampler)

    def sample(self, labels, check=True):
        """Synthetic flux (n, n_pix) at labels {name: (n,)}; see `Sampler.sample_spectra`."""
        return self.sampler.sample_spectra(labels, self.wave, self.power, check=check)

    def list_prepared_labels(self, stars):
        """Labels {name: (n,)} of prepared spectra: at rest, at most at the resolving power."""
        power = np.minimum(stars.labels["resolving_power"], self.power)
        vmic = np.clip(stars.labels["vmic"], *self.sampler.find_limits(VARIED)["vmic"])
        changes = {"resolving_power": power, "rv": np.zeros(len(power)), "vmic": vmic}
        return stars.labels | changes

    def sample_normalised(self, labels, check=True):
        """Synthetic flux (n, n_pix) at labels {name: (n,)}, normalised as observed spectra are."""
        return self.continuum.normalise(self.sample(labels, check)).astype(float)

    def differentiate(self, labels):
        """d normalised flux / d label (n, m, n_pix) for the labels VARIED."""
        limits = self.sampler.find_limits(VARIED)
        sample = partial(self.sample_normalised, check=False)
        return compute_derivatives(sample, labels, list(VARIED), limits)

    def prepare(self, stars):
        """Observed normalised flux (n, n_pix), NaN where unseen, and the rows of usable stars.

        Says which stars cannot be used, and why.
        """
        flux, rows = [], []
        covered = self.sampler.covers(self.list_prepared_labels(stars))
        for i, path in enumerate(show_progress(stars.files, "reading stars")):
            try:
                if not covered[i]:
                    raise UserError(f"{path.name}: no synthetic spectra at its labels")
                flux.append(self.prepare_star(path, stars, i))
                rows.append(i)
            except (UserError, OSError) as error:
                print(f"left out: {error}")
        if len(rows) < 2:
            raise UserError(f"{format_count(len(rows))} stars can be used, expected 2 at least")
        return np.array(flux), np.array(rows)

    def prepare_star(self, path, stars, i):
        """Observed normalised flux (n_pix,) of star i."""
        options = ReadOptions(
            medium=stars.medium[i],
            resolving_power=float(stars.labels["resolving_power"][i]),
            window=(self.wave[0], self.wave[-1]),
        )
        observed = next(iter(readers.read_spectra(path, options)))
        check_spectrum(observed)
        observed = cut_around_window(observed, self.wave)
        return self.preparer(observed, float(stars.labels["rv"][i])).flux
