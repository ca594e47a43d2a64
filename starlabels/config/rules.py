"""The rules of config.yaml that span several keys."""

from starlabels.base.labels import LABELS, OFFSETS, select_elemental
from starlabels.config.schema import MOST_PIXELS, A, Range, SkyMatch
from starlabels.learning.networks.censored import mask_windows

GRID_RANGES = {  # what any grid may ask for; the built-in atmospheres allow less
    "teff": (1000, 100_000),
    "logg": (-1, 10),
    "mh": (-6, 2),
    "vmic": (0, 20),
    "vsini": (0, 500),
    "rv": (-500, 500),
    "resolving_power": (500, 35_000),
} | dict.fromkeys(OFFSETS, (-0.5, 0.5))  # the changes were measured at 0.3
MOST_BYTES = 4 << 30  # of the spectra in memory at a time
READ_BOTH = ("spectrum_table_cnn",)  # builders that read pixels and features
BUILTIN_RANGES = {"teff": (4500, 11_000), "logg": (1.5, 5.5), "mh": (-2, 1.5)}


def find_problems(cfg):
    """(key, problem) of each rule that spans several keys."""
    split = cfg.preprocess.split
    yield from wave_problems(cfg.wave) if cfg.wave else table_problems(cfg)
    if cfg.wave and cfg.wave.n_pix > MOST_PIXELS:
        return  # the others would count through them
    if cfg.wave and cfg.preprocess.chunk_rows * cfg.wave.n_pix * 4 > MOST_BYTES:
        what, most = f"spectra of {cfg.wave.n_pix} pixels", MOST_BYTES // (4 * cfg.wave.n_pix)
        yield (
            ("preprocess", "chunk_rows"),
            f"found {cfg.preprocess.chunk_rows} {what}, expected {most} at most",
        )
    yield from block_problems(cfg)
    for i, name in enumerate(cfg.labels):
        if name in cfg.labels[:i]:
            yield ("labels", i), f"{name} is listed twice"
    yield from join_problems(cfg)
    if cfg.grid:
        yield from grid_problems(cfg.grid)
    elif cfg.preprocess.observed:
        yield ("preprocess", "observed"), "expected null where grid is null"
    total = split.train + split.validation + split.test
    if abs(total - 1) > 1e-6:
        yield ("preprocess", "split"), f"the fractions sum to {total:g}, expected 1"
    noise = cfg.train.noise
    if noise and noise.snr_min >= noise.snr_max:
        yield (
            ("train", "noise", "snr_max"),
            f"found {noise.snr_max:g}, expected more than snr_min {noise.snr_min:g}",
        )
    yield from target_problems(cfg)
    yield from model_problems(cfg)
    yield from feature_problems(cfg)
    if (cfg.train.loss == "parallax_nll") != ("fakemag" in cfg.labels) or (
        len(cfg.labels) > 1 and "fakemag" in cfg.labels
    ):
        yield ("train", "loss"), "expected parallax_nll where labels is [fakemag], and nowhere else"
    for i, (low, high) in enumerate(cfg.test.snr):
        if low >= high:
            yield ("test", "snr", i), f"found [{low:g}, {high:g}], expected the lower S/N first"


def wave_problems(wave):
    """(key, problem) of a wavelength grid that is empty, has no whole number of pixels, or too many."""
    n_pix = (wave.max - wave.min) / wave.step
    if wave.min >= wave.max:
        yield ("wave", "max"), f"found {wave.max:g}, expected more than min {wave.min:g} {A}"
    elif n_pix > MOST_PIXELS:
        yield (
            ("wave", "step"),
            f"(max - min)/step is {n_pix:.8g} pixels, expected {MOST_PIXELS} at most",
        )
    elif abs(n_pix - round(n_pix)) > 1e-3:
        yield ("wave", "step"), f"(max - min)/step is {n_pix:.8g} pixels, expected a whole number"


def table_problems(cfg):
    """(key, problem) of what needs spectra in a recipe that reads tables."""
    nothing = [
        ("grid",),
        ("preprocess", "components"),
        ("preprocess", "observed"),
        ("test", "generator"),
        ("train", "noise"),
    ]
    wanted = dict.fromkeys(nothing) | {
        ("preprocess", "blocks"): 1,
        ("join", "resample"): False,
        ("target",): "labels",
    }
    for where, value in wanted.items():
        found = cfg
        for key in where:
            found = getattr(found, key)
        if found != value:
            shown = {None: "null", False: "false"}.get(value, value)
            yield where, f"expected {shown} where wave is null"
    if "windows" in cfg.model.arguments:
        yield (
            ("model", "builder"),
            f"found {cfg.model.builder}, which reads spectra: expected another where wave is null",
        )


def join_problems(cfg):
    """(key, problem) of databases listed twice, of keys for tables beside spectra, of epochs without proper motions."""
    for i, database in enumerate(cfg.join.databases):
        if database in cfg.join.databases[:i]:
            yield ("join", "databases", i, "path"), f"{database.path} is listed twice"
        for key in ("columns", "id"):
            if cfg.wave and getattr(database, key) is not None:
                yield (
                    ("join", "databases", i, key),
                    "expected none where wave is given: it is for tables without spectra",
                )
    for i, catalogue in enumerate(cfg.join.catalogues or []):
        where, match = ("join", "catalogues", i, "match"), catalogue.match
        if not isinstance(match, SkyMatch):
            continue
        for key, place in (((*where, "pmra"), match), ((*where, "to", "pmra"), match.to)):
            if (place.pmra is None) != (place.pmdec is None):
                yield key, "expected pmra and pmdec, or neither"
        if match.epoch != match.to.epoch and not (match.pmra or match.to.pmra):
            found = f"found {match.epoch:g} and, of ours, {match.to.epoch:g}"
            yield (*where, "epoch"), f"{found}: expected pmra and pmdec, or one epoch"


def block_problems(cfg):
    """(key, problem) of a window or of components that the blocks do not share out equally."""
    blocks, components = cfg.preprocess.blocks, cfg.preprocess.components
    for what, n in (("pixels", cfg.wave.n_pix if cfg.wave else 0), ("components", components or 0)):
        if n % blocks:
            yield ("preprocess", "blocks"), f"found {blocks}, expected a divisor of the {n} {what}"
    if blocks > 1 and not components:
        yield ("preprocess", "blocks"), f"found {blocks}, expected 1 where components is null"
    if cfg.train.noise and cfg.train.noise.missing and blocks == 1:
        yield (
            ("train", "noise", "missing"),
            f"found {cfg.train.noise.missing:g}, expected 0 where preprocess.blocks is 1",
        )


def model_problems(cfg):
    """(key, problem) of components where the model reads pixels, and of its windows."""
    arguments, components, wave = cfg.model.arguments, cfg.preprocess.components, cfg.wave
    if "passes" in arguments and components:
        yield (
            ("preprocess", "components"),
            f"found {components}, expected null where model.builder is {cfg.model.builder}",
        )
    if arguments.get("members", 1) > 1 and (
        cfg.train.loss == "parallax_nll" or cfg.target == "flux"
    ):
        yield ("model", "members"), "expected 1 where train.loss is parallax_nll or target is flux"
    windows, elements = arguments.get("windows"), select_elemental(cfg.labels)
    if not isinstance(windows, dict) or not wave:
        return
    for name, pairs in windows.items():
        if name not in elements:
            yield (
                ("model", "windows", name),
                f"expected an element among labels: {', '.join(elements) or 'there is none'}",
            )
        for low, high in pairs:
            if low < wave.min or high > wave.max:
                yield (
                    ("model", "windows", name),
                    f"found [{low:g}, {high:g}], expected inside {wave.min:g} to {wave.max:g} {A}",
                )
            elif not mask_windows(wave.grid(), [(low, high)]).any():
                yield ("model", "windows", name), f"[{low:g}, {high:g}] holds no pixel"
    if missing := [name for name in elements if name not in windows]:
        yield (
            ("model", "windows"),
            f"found none of {', '.join(missing)}, expected some for each element among labels",
        )


def feature_problems(cfg):
    """(key, problem) of features that lack what they are made of, and of networks that do not read what there is."""
    asked, reads_both = cfg.features, cfg.model.builder in READ_BOTH
    if not asked:
        if not cfg.wave:
            yield (
                ("wave",),
                "found null, expected a section `features` too, or there is nothing to read",
            )
        return
    if asked.parallax and asked.distance:
        yield ("features", "distance"), "expected null where parallax is given"
    for kind in asked.give:
        if kind.endswith("_0") and not asked.a_v:
            yield ("features", "give"), f"{kind} needs a_v"
        if kind.startswith("absolute") and not (asked.parallax or asked.distance):
            yield ("features", "give"), f"{kind} needs parallax or distance"
    if not (
        asked.columns
        or (asked.give and asked.magnitudes)
        or asked.a_v
        or asked.parallax
        or asked.distance
    ):
        yield (
            ("features", "columns"),
            "expected something to read: magnitudes and what to give of them, or columns",
        )
    if cfg.target == "flux" or cfg.train.loss == "parallax_nll":
        yield ("features",), "expected none where target is flux or train.loss is parallax_nll"
    if reads_both != bool(cfg.wave and not cfg.preprocess.components):
        what = f"one of {', '.join(READ_BOTH)}" if not reads_both else "another"
        where = (
            "where pixels and features are read" if not reads_both else "where no pixels are read"
        )
        yield ("model", "builder"), f"found {cfg.model.builder}, expected {what} {where}"


def target_problems(cfg):
    """(key, problem) of settings that do not go with the target."""
    codes = {"autoencoder": cfg.autoencoder, "intrinsic": cfg.intrinsic}
    if cfg.target == "labels":
        yield from (
            ((name,), "expected none where target is labels")
            for name, section in codes.items()
            if section
        )
        return
    given = [
        name
        for name, value in (codes | {"preprocess.components": cfg.preprocess.components}).items()
        if value
    ]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        expected = (
            "expected one of preprocess.components, autoencoder, intrinsic where target is flux"
        )
        yield ("preprocess", "components"), f"found {found}, {expected}"
    nothing = [("train", "noise"), ("preprocess", "observed"), ("test", "generator")]
    wanted = {("train", "loss"): "mse", ("preprocess", "blocks"): 1} | dict.fromkeys(nothing)
    for (section, key), value in wanted.items():
        found = getattr(getattr(cfg, section), key)
        if found != value:
            shown = "null" if value is None else value
            yield (section, key), f"expected {shown} where target is flux"


def grid_problems(grid):
    """(key, problem) of labels to draw outside what the atmospheres and our broadening allow."""
    builtin = grid.nodes.atmosphere == "builtin"
    for name, draw in grid.labels.items():
        low, high = (draw.min, draw.max) if isinstance(draw, Range) else (draw, draw)
        if isinstance(draw, Range) and low >= high:
            yield ("grid", "labels", name, "max"), f"found {high:g}, expected more than min {low:g}"
            continue
        limits = (BUILTIN_RANGES if builtin and name in BUILTIN_RANGES else GRID_RANGES).get(name)
        if limits and not limits[0] <= low <= high <= limits[1]:
            unit = LABELS[name].plain_unit + (
                " with the built-in atmospheres" if limits is BUILTIN_RANGES.get(name) else ""
            )
            allowed = f"expected within [{limits[0]:g}, {limits[1]:g}] {unit}"
            yield ("grid", "labels", name), f"found {low:g} to {high:g}, {allowed}"
