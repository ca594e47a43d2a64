"""Rules of config.yaml that concern several keys at once."""

from starlabels.base.labels import LABELS, OFFSETS, select_elemental
from starlabels.config.data_sections import MOST_PIXELS, Range, SkyMatch
from starlabels.config.fields import A
from starlabels.learning.networks import CAPABILITIES, get_capabilities
from starlabels.learning.networks.censored import mask_windows
from starlabels.synthesis.atmosphere_choice import LABEL_RANGES

GRID_RANGES = {  # of any grid; the atmospheres allow less, see LABEL_RANGES
    "teff": (1000, 100_000),
    "logg": (-1, 10),
    "mh": (-6, 2),
    "vmic": (0, 20),
    "vsini": (0, 500),
    "rv": (-500, 500),
    "resolving_power": (500, 120_000),
} | dict.fromkeys(OFFSETS, (-0.5, 0.5))  # the changes of spectra were measured at 0.3 dex
MOST_BYTES = 4 << 30  # of the spectra in memory at a time


def find_problems(cfg):
    """(key, problem) for every rule that a configuration breaks."""
    yield from wave_problems(cfg.wave) if cfg.wave else table_problems(cfg)
    if cfg.wave and cfg.wave.n_pix > MOST_PIXELS:
        return  # other rules build the wavelength grid
    yield from memory_problems(cfg)
    yield from block_problems(cfg)
    for i, name in enumerate(cfg.labels):
        if name in cfg.labels[:i]:
            yield ("labels", i), f"{name} is listed twice"
    yield from join_problems(cfg)
    if cfg.grid:
        yield from grid_problems(cfg.grid)
    elif cfg.preprocess.observed:
        yield ("preprocess", "observed"), "expected null where grid is null"
    split = cfg.preprocess.split
    total = split.train + split.validation + split.test
    if abs(total - 1) > 1e-6:
        yield ("preprocess", "split"), f"the fractions sum to {total:g}, expected 1"
    noise = cfg.train.noise
    if noise and noise.snr_min >= noise.snr_max:
        problem = f"found {noise.snr_max:g}, expected more than snr_min {noise.snr_min:g}"
        yield ("train", "noise", "snr_max"), problem
    yield from target_problems(cfg)
    yield from model_problems(cfg)
    yield from feature_problems(cfg)
    has_parallax_loss = cfg.train.loss == "parallax_nll"
    learns_fakemag = "fakemag" in cfg.labels
    if has_parallax_loss != learns_fakemag or (len(cfg.labels) > 1 and learns_fakemag):
        yield ("train", "loss"), "expected parallax_nll where labels is [fakemag], and nowhere else"
    for i, (low, high) in enumerate(cfg.test.snr):
        if low >= high:
            yield ("test", "snr", i), f"found [{low:g}, {high:g}], expected the lower S/N first"


def wave_problems(wave):
    """A wavelength grid that is empty, has too many pixels or no whole number of them."""
    n_pix = (wave.max - wave.min) / wave.step
    counted = f"(max - min)/step is {n_pix:.8g} pixels"
    if wave.min >= wave.max:
        yield ("wave", "max"), f"found {wave.max:g}, expected more than min {wave.min:g} {A}"
    elif n_pix > MOST_PIXELS:
        yield ("wave", "step"), f"{counted}, expected {MOST_PIXELS} at most"
    elif abs(n_pix - round(n_pix)) > 1e-3:
        yield ("wave", "step"), f"{counted}, expected a whole number"


def memory_problems(cfg):
    """More spectra in memory at a time (`preprocess.chunk_rows`) than fit into 4 GiB."""
    rows = cfg.preprocess.chunk_rows
    if cfg.wave and rows * cfg.wave.n_pix * 4 > MOST_BYTES:
        most = MOST_BYTES // (4 * cfg.wave.n_pix)
        problem = f"found {rows} spectra of {cfg.wave.n_pix} pixels, expected {most} at most"
        yield ("preprocess", "chunk_rows"), problem


def table_problems(cfg):
    """Settings that need spectra in a recipe that reads tables (`wave: null`)."""
    required = {
        ("grid",): None,
        ("preprocess", "components"): None,
        ("preprocess", "observed"): None,
        ("test", "generator"): None,
        ("train", "noise"): None,
        ("preprocess", "blocks"): 1,
        ("join", "resample"): False,
        ("target",): "labels",
    }
    for keys, expected in required.items():
        value = cfg
        for key in keys:
            value = getattr(value, key)
        if value != expected:
            shown = {None: "null", False: "false"}.get(expected, expected)
            yield keys, f"expected {shown} where wave is null"
    if get_capabilities(cfg.model.builder).wave:
        reads = f"found {cfg.model.builder}, which reads spectra"
        yield ("model", "builder"), f"{reads}: expected another where wave is null"


def join_problems(cfg):
    """No databases, a database listed twice, or keys of tables for databases of spectra."""
    databases = cfg.join.databases
    if databases is None:
        yield ("join", "databases"), "missing: expected at least one where grid is null"
    for i, database in enumerate(databases or []):
        if database in databases[:i]:
            yield ("join", "databases", i, "path"), f"{database.path} is listed twice"
        for key in ("columns", "id"):
            if cfg.wave and getattr(database, key) is not None:
                problem = "expected none where wave is given: it is for tables without spectra"
                yield ("join", "databases", i, key), problem
    for i, catalogue in enumerate(cfg.join.catalogues or []):
        if isinstance(catalogue.match, SkyMatch):
            for keys, problem in match_problems(catalogue.match):
                yield ("join", "catalogues", i, "match", *keys), problem


def match_problems(match):
    """A match by position with half a proper motion, or with two epochs and no proper motions."""
    for keys, place in ((("pmra",), match), (("to", "pmra"), match.to)):
        if (place.pmra is None) != (place.pmdec is None):
            yield keys, "expected pmra and pmdec, or neither"
    if match.epoch != match.to.epoch and not (match.pmra or match.to.pmra):
        epochs = f"found {match.epoch:g} and, of the databases, {match.to.epoch:g}"
        yield ("epoch",), f"{epochs}: expected pmra and pmdec, or one epoch"


def block_problems(cfg):
    """A window or a number of components that the blocks do not divide equally."""
    blocks = cfg.preprocess.blocks
    components = cfg.preprocess.components
    counts = {"pixels": cfg.wave.n_pix if cfg.wave else 0, "components": components or 0}
    for name, n in counts.items():
        if n % blocks:
            yield ("preprocess", "blocks"), f"found {blocks}, expected a divisor of the {n} {name}"
    if blocks > 1 and not components:
        yield ("preprocess", "blocks"), f"found {blocks}, expected 1 where components is null"
    if cfg.train.noise and cfg.train.noise.missing and blocks == 1:
        problem = f"found {cfg.train.noise.missing:g}, expected 0 where preprocess.blocks is 1"
        yield ("train", "noise", "missing"), problem


def model_problems(cfg):
    """An ensemble that the loss does not allow, or windows that do not fit."""
    arguments = cfg.model.arguments
    capabilities = get_capabilities(cfg.model.builder)
    single = cfg.train.loss == "parallax_nll" or cfg.target == "flux"
    if capabilities.is_ensemble(arguments) and single:
        yield ("model", "members"), "expected 1 where train.loss is parallax_nll or target is flux"
    if isinstance(arguments.get("windows"), dict) and cfg.wave:
        yield from window_problems(cfg, arguments["windows"])


def window_problems(cfg, windows):
    """Windows of something that is no element, outside `wave`, without pixels, or missing."""
    wave = cfg.wave
    elements = select_elemental(cfg.labels)
    for name, pairs in windows.items():
        key = ("model", "windows", name)
        if name not in elements:
            choices = ", ".join(elements) or "there is none"
            yield key, f"expected an element among labels: {choices}"
        for low, high in pairs:
            window = f"[{low:g}, {high:g}]"
            if low < wave.min or high > wave.max:
                yield key, f"found {window}, expected inside {wave.min:g} to {wave.max:g} {A}"
            elif not mask_windows(wave.grid(), [(low, high)]).any():
                yield key, f"{window} holds no pixel"
    if missing := [name for name in elements if name not in windows]:
        problem = f"found none of {', '.join(missing)}, expected some for each element among labels"
        yield ("model", "windows"), problem


def feature_problems(cfg):
    """Features without the columns they need, or with a network that does not read them."""
    features = cfg.features
    if not features:
        if not cfg.wave:
            problem = "found null, expected a section `features` too, or there is nothing to read"
            yield ("wave",), problem
        return
    if features.parallax and features.distance:
        yield ("features", "distance"), "expected null where parallax is given"
    for kind in features.give:
        if kind.endswith("_0") and not features.a_v:
            yield ("features", "give"), f"{kind} needs a_v"
        if kind.startswith("absolute") and not (features.parallax or features.distance):
            yield ("features", "give"), f"{kind} needs parallax or distance"
    photometry = features.give and features.magnitudes
    columns = (features.columns, features.a_v, features.parallax, features.distance)
    if not (photometry or any(columns)):
        problem = "expected something to read: magnitudes and what to give of them, or columns"
        yield ("features", "columns"), problem
    if cfg.target == "flux" or cfg.train.loss == "parallax_nll":
        yield ("features",), "expected none where target is flux or train.loss is parallax_nll"
    reads_pixels = bool(cfg.wave and not cfg.preprocess.components)
    if get_capabilities(cfg.model.builder).pixels_and_features != reads_pixels:
        expected = "another where no pixels are read"
        if reads_pixels:
            names = [name for name, can in CAPABILITIES.items() if can.pixels_and_features]
            expected = f"one of {', '.join(names)} where pixels and features are read"
        yield ("model", "builder"), f"found {cfg.model.builder}, expected {expected}"


def target_problems(cfg):
    """Settings that do not fit the target: labels, or flux (a generator)."""
    codes = {"autoencoder": cfg.autoencoder, "intrinsic": cfg.intrinsic}
    if cfg.target == "labels":
        for name, section in codes.items():
            if section:
                yield (name,), "expected none where target is labels"
        return
    codes["preprocess.components"] = cfg.preprocess.components
    given = [name for name, value in codes.items() if value]
    if len(given) != 1:
        expected = "one of preprocess.components, autoencoder, intrinsic where target is flux"
        found = " and ".join(given) or "none"
        yield ("preprocess", "components"), f"found {found}, expected {expected}"
    required = {
        ("train", "loss"): "mse",
        ("preprocess", "blocks"): 1,
        ("train", "noise"): None,
        ("preprocess", "observed"): None,
        ("test", "generator"): None,
    }
    for (section, key), expected in required.items():
        if getattr(getattr(cfg, section), key) != expected:
            shown = "null" if expected is None else expected
            yield (section, key), f"expected {shown} where target is flux"


def grid_problems(grid):
    """Labels of a grid outside the range of the atmospheres or of the broadening."""
    source, ranges = LABEL_RANGES.get(grid.nodes.atmosphere, ("", {}))
    for name, draw in grid.labels.items():
        low, high = (draw.min, draw.max) if isinstance(draw, Range) else (draw, draw)
        if isinstance(draw, Range) and low >= high:
            yield ("grid", "labels", name, "max"), f"found {high:g}, expected more than min {low:g}"
            continue
        limits = ranges.get(name) or GRID_RANGES.get(name)
        if limits and not limits[0] <= low <= high <= limits[1]:
            unit = LABELS[name].plain_unit
            if name in ranges:
                unit += f" with the {source} atmospheres"
            allowed = f"expected within [{limits[0]:g}, {limits[1]:g}] {unit}"
            yield ("grid", "labels", name), f"found {low:g} to {high:g}, {allowed}"
