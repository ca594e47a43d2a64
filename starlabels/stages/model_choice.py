"""predict.py: the packaged models, and which of them suits a spectrum."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base.errors import UserError
from starlabels.base.install import MODEL_FOLDER
from starlabels.base.wavelengths import convert_medium
from starlabels.config import load, schema
from starlabels.spectra import readers
from starlabels.spectra.preparation import SLACK

CONFIG = "config.yaml"
LEAST_SHARE = 0.3  # of a model's window that a spectrum covers


class PackagedModel(NamedTuple):
    """What a trained model in the box is for.

    low, high: its window (A) in `medium`; least, power: its lowest and highest resolving power.
    """

    path: Path
    low: float
    high: float
    medium: str
    least: float
    power: float

    def measure_share(self, observed):
        """Fraction of the window that an ObservedSpectrum covers."""
        wave = convert_medium(observed.wave[np.isfinite(observed.flux)], observed.medium, "air")
        low, high = convert_medium(np.array([self.low, self.high]), self.medium, "air")
        inside = wave[(wave > low) & (wave < high)]
        return float(np.ptp(inside) / (high - low)) if len(inside) > 1 else 0.0


def list_models():
    """PackagedModels for observed spectra, the highest resolving power first."""
    models = []
    for path in sorted(MODEL_FOLDER.glob(f"*/{CONFIG}")):
        cfg = load.load_config(path, is_trained=True)
        if cfg.wave and cfg.target == "labels" and cfg.grid and cfg.preprocess.observed:
            window = (cfg.wave.min, cfg.wave.max, cfg.medium)
            powers = (schema.get_least_power(cfg), cfg.grid.resolving_power)
            models.append(PackagedModel(path.parent, *window, *powers))
    return sorted(models, key=lambda model: -model.power)


def locate_model(path):
    """Folder of the model that --model names: a path, or the name of one in the box."""
    packaged = MODEL_FOLDER / path.name
    is_name = path in (Path(path.name), Path("models") / path.name)
    return packaged if is_name and not (path / CONFIG).exists() and packaged.exists() else path


def choose_model(files, options):
    """Choose the packaged model for the first spectrum that can be read.

    Parameters
    ----------
    files : list of Path
    options : SpectrumOptions

    Returns
    -------
    Path
        Folder of the model.
    str
        Which model it is, and why.

    Raises
    ------
    UserError
        If there are no packaged models.
    """
    models = list_models()
    if not models:
        raise UserError(f"{MODEL_FOLDER} has no trained models: give --model models/<run>")
    observed = read_first(files, options)
    if observed is None:
        return models[-1].path, f"model {models[-1].path.name}: no spectrum could be read"
    return choose_for_spectrum(models, observed)


def choose_for_spectrum(models, observed):
    """(folder, reason) of the best of some PackagedModels for an ObservedSpectrum."""
    shares = [model.measure_share(observed) for model in models]
    power = observed.resolving_power
    text = f"{observed.name} has " + (f"R {power:.0f}" if power else "no resolving power")
    fits = [
        i for i, model in enumerate(models)
        if shares[i] >= LEAST_SHARE and (power is None or power >= SLACK * model.least)
    ]  # fmt: skip
    # Of unknown resolving power: the model of the lowest
    chosen = fits[0 if power else -1] if fits else int(np.argmax(shares))
    model = models[chosen]
    window = f"{model.low:g}-{model.high:g} A, R {model.least:g} and more"
    text += f" and covers {shares[chosen]:.0%} of this window"
    return model.path, f"model {model.path.name} ({window}): {text}"


def read_first(files, options):
    """The first ObservedSpectrum that can be read; None if there is none."""
    for path in files:
        try:
            for observed in readers.read_spectra(path, options.get_file_options(path).read):
                return observed
        except (UserError, OSError, ValueError):
            continue
    return None
