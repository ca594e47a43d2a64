"""What predict.py says of observed stars: results.csv and results.fits, and a page of their figures."""

import csv
import math
import re
from collections import Counter
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label

CSV, FITS, PAGE = "results.csv", "results.fits", "index.html"
TEXTS = ("name", "status", "reasons")  # columns that are not numbers
LONGEST = 80  # characters of a picture's name
SYMBOLS = {  # of labels, in HTML
    "teff": "<i>T</i><sub>eff</sub>",
    "logg": "log <i>g</i>",
    "mh": "[M/H]",
    "feh": "[Fe/H]",
    "alpha_m": "[\N{GREEK SMALL LETTER ALPHA}/M]",
    "vmic": "<i>v</i><sub>mic</sub>",
    "vsini": "<i>v</i> sin <i>i</i>",
}


class StarResult(NamedTuple):
    """What predict.py says of one spectrum."""

    name: str  # file name (with row or star id)
    failure: str  # "" or the reason in words why there are no labels
    labels: dict  # {label name: value} in physical units, empty on failure
    errors: dict  # {label name: standard error}
    rv: float  # km/s, heliocentric as the file has it; nan if the file is at rest or on failure
    rv_err: float  # km/s
    snr: float  # per pixel of the model's grid, median
    chi2: float  # reduced chi-square of the spectrum regenerated from the nodes
    flags: int  # bits
    reasons: list[str]  # each flag in words
    coverage: float  # fraction of the model's pixels that were observed
    extras: dict = {}  # {column: value} of what only some models give, see extras.py


class FittedSpectrum(NamedTuple):
    """An observed spectrum as the network saw it, for the figure: all (n_pix,), NaN where missing."""

    wave: np.ndarray  # A, at rest
    flux: np.ndarray  # continuum 1
    error: np.ndarray  # of the flux; None if not known
    model: np.ndarray  # flux regenerated at the predicted labels; None if it cannot be
    medium: str = "air"  # or "vacuum", of a survey's database


def classify_result(answer):
    """`failed` (no labels), `flagged` or `ok`."""
    return "failed" if answer.failure else "flagged" if answer.flags else "ok"


class ResultTables:
    """results.csv, which grows with every `add`, and results.fits once all stars are in: a row a star, in the order added.

    names, units (n_labels,) of the labels; meta: {keyword of 8 letters at most: value} for the header of the FITS table;
    extras: {column: Extra} between the labels and the rest.
    A run that breaks off leaves the rows of the CSV, and no FITS table.
    """

    def __init__(self, folder, names, units, meta, extras=None):
        self.folder, self.names, self.meta, self.rows, self.extras = (
            Path(folder),
            list(names),
            meta,
            [],
            extras or {},
        )
        self.columns = {"name": "", "status": ""}  # {column: unit}
        for name, unit in zip(names, units):
            self.columns |= {name: unit, f"{name}_err": unit}
        self.columns |= {name: extra.unit for name, extra in self.extras.items()}
        self.columns |= {
            "rv": "km/s",
            "rv_err": "km/s",
            "snr": "",
            "coverage": "",
            "chi2": "",
            "flags": "",
            "reasons": "",
        }

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / FITS).unlink(
            missing_ok=True
        )  # of an earlier run: both tables tell of the same stars
        self._write([self.columns], "w")
        return self

    def add(self, answers):
        """Append Answers to the CSV, on disk when this returns."""
        rows = [build_row(answer, self.names, self.extras) for answer in answers]
        self._write([[format_cell(value) for value in values] for values in rows], "a")
        self.rows += rows

    def __exit__(self, kind, *_):
        if kind is None:
            kinds = (
                dict.fromkeys(TEXTS, str)
                | {"flags": int}
                | {name: type(one.blank) for name, one in self.extras.items()}
            )
            write_fits_table(self.folder / FITS, self.columns, self.rows, self.meta, kinds)

    def _write(self, rows, mode):
        with open(self.folder / CSV, mode, newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def write_tables(answers, folder, names, units, meta, extras=None):
    """Both tables of all Answers at once, see Tables."""
    with ResultTables(folder, names, units, meta, extras) as tables:
        tables.add(answers)


def build_row(answer, names, extras):
    """The values of an Answer in the order of the columns; labels it does not have are nan, extras what they say of that."""
    labels = [
        float(values.get(name, np.nan))
        for name in names
        for values in (answer.labels, answer.errors)
    ]
    numbers = [
        float(x) for x in (answer.rv, answer.rv_err, answer.snr, answer.coverage, answer.chi2)
    ]
    words = answer.failure or "; ".join(answer.reasons)
    more = [answer.extras.get(name, extra.blank) for name, extra in extras.items()]
    return [
        clean_text(answer.name),
        classify_result(answer),
        *labels,
        *more,
        *numbers,
        int(answer.flags),
        clean_text(words),
    ]


def format_cell(value):
    """A value as text for the CSV: numbers to 8 digits, nan as nothing."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.8g}"


def clean_text(text):
    """The text in one line, with bytes that are no UTF-8 (file names may hold any) as \\udc.. codes."""
    return " ".join(str(text).splitlines()).encode("utf-8", "backslashreplace").decode()


def write_fits_table(path, columns, rows, meta, kinds):
    """A FITS table of rows with columns {name: unit}, by way of `<path>.tmp`; meta goes into the header.

    kinds: {column: type} of those that are not float.
    """
    from astropy.io import fits
    from astropy.table import Table

    arrays = [
        np.array([values[i] for values in rows], kinds.get(name, float))
        for i, name in enumerate(columns)
    ]
    table = Table(arrays, names=list(columns))
    table.meta = {
        key: ascii(str(value))[1:-1] for key, value in meta.items()
    }  # a FITS header is ASCII
    table.convert_unicode_to_bytestring()
    hdu = fits.table_to_hdu(table)
    for name, unit in columns.items():
        hdu.columns[name].unit = (
            unit or None
        )  # as text: astropy leaves out dex, which FITS does not define
    with replace_file(path) as tmp:
        hdu.writeto(tmp, overwrite=True)


def format_value(value, err):
    """`5772 ± 31`: the error to 2 digits, the value to the same decimal; the value alone where the error is not known."""
    if not math.isfinite(value):
        return "unknown"
    if not (math.isfinite(err) and err > 0):
        return f"{value:.5g}".replace("-", "\N{MINUS SIGN}")
    decimals = 1 - math.floor(
        math.log10(float(f"{err:.1e}"))
    )  # of the error after rounding: 0.0996 is 0.10
    value, err = round(value, decimals) + 0.0, round(err, decimals)  # + 0.0: never "-0.00"
    return f"{value:.{max(decimals, 0)}f} ± {err:.{max(decimals, 0)}f}".replace(
        "-", "\N{MINUS SIGN}"
    )


def describe_quality(answer):
    """S/N, reduced chi-square and the fraction of pixels observed as texts, those that are known."""
    texts = [f"S/N {answer.snr:.0f}"] * math.isfinite(answer.snr)
    texts += [f"reduced \N{GREEK SMALL LETTER CHI}² {answer.chi2:.2f}"] * math.isfinite(answer.chi2)
    return texts + [f"{100 * answer.coverage:.0f} % of pixels"] * math.isfinite(answer.coverage)


def choose_picture_name(name, taken):
    """A file name `<name>.png` of letters, digits, `.`, `_` and `-` that is not in `taken`, a set, to which it is added.

    Names that differ in case only count as the same, as they do on some disks.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-")[:LONGEST] or "star"
    found, number = f"{stem}.png", 1
    while found.lower() in taken:
        number += 1
        found = f"{stem}_{number}.png"
    taken.add(found.lower())
    return found


STYLE = """
body { font: 15px/1.45 Georgia, "Times New Roman", serif; margin: 1.5em auto; max-width: 1500px; padding: 0 1em; color: #111 }
h1 { font-size: 1.35em; margin: 0 0 .2em } h2 { font-size: 1em; margin: .5em 0 .2em; overflow-wrap: anywhere }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 1em; margin: 1em 0 }
article { border: 1px solid #ccc; border-radius: 4px; padding: .7em .9em }
img { width: 100%; aspect-ratio: auto 1 }
table { border-collapse: collapse } sub { line-height: 0; font-size: .75em }
td { padding: 0 .9em 0 0; vertical-align: top } article td { white-space: nowrap; font-variant-numeric: tabular-nums }
p { margin: .3em 0; color: #555; font-size: .9em } .flag { color: #b34d00 }
body:has(#only:checked) article:not(.flagged) { display: none }
"""


def write_page(answers, pictures, folder):
    """index.html, without scripts or network: a card a star, failures at the end with their reason; its path.

    pictures: of each Answer, the path of its figure seen from `folder`, or None.
    """
    kinds = Counter(classify_result(answer) for answer in answers)
    title = f"{format_count(len(answers))} star{'s' * (len(answers) != 1)}, {kinds['flagged']} flagged, {kinds['failed']} failed"
    both = list(zip(answers, pictures))
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>",
        f'<p>Labels with standard errors, as in <a href="{CSV}">{CSV}</a> and <a href="{FITS}">{FITS}</a>; observed spectra in '
        'black, regenerated ones in colour. <label><input type="checkbox" id="only"> flagged only</label></p>\n<main>',
        *(format_card(answer, picture) for answer, picture in both if not answer.failure),
        "</main>",
    ]
    if kinds["failed"]:
        failures = (
            f"<tr><td>{format_link(p, escape(clean_text(a.name)))}<td>{escape(clean_text(a.failure))}"
            for a, p in both
            if a.failure
        )
        parts += ["<h1>Failed</h1>\n<table>", *failures, "</table>"]
    with replace_file(Path(folder) / PAGE) as tmp:
        tmp.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return Path(folder) / PAGE


def format_link(picture, inner):
    """HTML as a link to the picture, if there is one."""
    return f'<a href="{escape(quote(str(picture)))}">{inner}</a>' if picture else inner


def format_card(answer, picture):
    """HTML of one star with labels."""
    name = escape(clean_text(answer.name))
    image = (
        f'<img src="{escape(quote(str(picture)))}" loading="lazy" alt="spectrum of {name}">'
        if picture
        else ""
    )
    values = (
        (n, format_value(value, answer.errors.get(n, np.nan))) for n, value in answer.labels.items()
    )
    rows = [(SYMBOLS.get(n, escape(n)), text, get_label(n).plain_unit) for n, text in values]
    if math.isfinite(answer.rv):
        rows.append(("<i>v</i><sub>r</sub>", format_value(answer.rv, answer.rv_err), "km/s"))
    if math.isfinite(answer.extras.get("distance", math.nan)):
        rows.append(
            ("distance", format_value(answer.extras["distance"], answer.extras["distance_err"]), "pc")
        )
    lines = [f"<tr><td>{symbol}<td>{value} {unit}" for symbol, value, unit in rows]
    flags = [f'<p class="flag">{escape(clean_text(reason))}</p>' for reason in answer.reasons]
    head = f'<article class="{classify_result(answer)}">{format_link(picture, image)}<h2>{name}</h2>'
    return "\n".join(
        [
            head,
            "<table>",
            *lines,
            "</table>",
            f"<p>{', '.join(describe_quality(answer))}</p>",
            *flags,
            "</article>",
        ]
    )
