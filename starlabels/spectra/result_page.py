"""Page of the results of predict.py: index.html with one card per star, and values as text."""

import math
import re
from collections import Counter
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.spectra.results import CSV, FITS, clean_text

PAGE = "index.html"
LONGEST = 80  # characters of a picture's name
MINUS = "\N{MINUS SIGN}"
SYMBOLS = {  # of labels, in HTML
    "teff": "<i>T</i><sub>eff</sub>",
    "logg": "log <i>g</i>",
    "mh": "[M/H]",
    "feh": "[Fe/H]",
    "alpha_m": "[\N{GREEK SMALL LETTER ALPHA}/M]",
    "vmic": "<i>v</i><sub>mic</sub>",
    "vsini": "<i>v</i> sin <i>i</i>",
}
STYLE = """
body { font: 15px/1.45 Georgia, "Times New Roman", serif; margin: 1.5em auto; max-width: 1500px;
  padding: 0 1em; color: #111 }
h1 { font-size: 1.35em; margin: 0 0 .2em }
h2 { font-size: 1em; margin: .5em 0 .2em; overflow-wrap: anywhere }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 1em;
  margin: 1em 0 }
article { border: 1px solid #ccc; border-radius: 4px; padding: .7em .9em }
img { width: 100%; aspect-ratio: auto 1 }
img.overview { display: block; max-width: 900px; margin: 1em auto }
table { border-collapse: collapse }
sub { line-height: 0; font-size: .75em }
td { padding: 0 .9em 0 0; vertical-align: top }
article td { white-space: nowrap; font-variant-numeric: tabular-nums }
p { margin: .3em 0; color: #555; font-size: .9em }
.flag { color: #b34d00 }
body:has(#only:checked) article:not(.flagged) { display: none }
"""
HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
<h1>{title}</h1>
<p>Labels with standard errors, as in <a href="{csv}">{csv}</a> and <a href="{fits}">{fits}</a>; \
observed spectra in black, regenerated ones in colour. \
<label><input type="checkbox" id="only"> flagged only</label></p>"""


def write_page(results, pictures, folder, overviews=()):
    """Write index.html, without scripts or network: one card per star, then the failures.

    Parameters
    ----------
    results : list of StarResult
    pictures : list of str or None
        Path of each star's figure relative to `folder`.
    folder : Path
    overviews : list of str
        Paths of figures of all stars relative to `folder`.

    Returns
    -------
    Path
        The page.
    """
    kinds = Counter(result.status for result in results)
    stars = f"{format_count(len(results))} star{'s' * (len(results) != 1)}"
    title = f"{stars}, {kinds['flagged']} flagged, {kinds['failed']} failed"
    parts = [HEAD.format(title=title, style=STYLE, csv=CSV, fits=FITS)]
    parts += [format_overview(picture) for picture in overviews]
    parts.append("<main>")
    failures = []
    for result, picture in zip(results, pictures):
        if result.problem:
            name = format_link(picture, escape(clean_text(result.name)))
            failures.append(f"<tr><td>{name}<td>{escape(clean_text(result.problem))}")
        else:
            parts.append(format_card(result, picture))
    parts.append("</main>")
    if failures:
        parts += ["<h1>Failed</h1>\n<table>", *failures, "</table>"]
    path = Path(folder) / PAGE
    with replace_file(path) as tmp:
        tmp.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return path


def format_overview(picture):
    """HTML of a figure of all stars."""
    image = f'<img class="overview" src="{picture}" alt="{picture.partition(".")[0]} of the stars">'
    return format_link(picture, image)


def format_link(picture, inner):
    """HTML as a link to the picture, if there is one."""
    return f'<a href="{escape(quote(str(picture)))}">{inner}</a>' if picture else inner


def format_card(result, picture):
    """HTML of one star with labels."""
    name = escape(clean_text(result.name))
    image = ""
    if picture:
        source = escape(quote(str(picture)))
        image = f'<img src="{source}" loading="lazy" alt="spectrum of {name}">'
    rows = []
    for label_name, value in result.labels.items():
        text = format_value(value, result.errors.get(label_name, np.nan))
        symbol = SYMBOLS.get(label_name, escape(label_name))
        rows.append((symbol, text, get_label(label_name).plain_unit))
    if math.isfinite(result.rv):
        rows.append(("<i>v</i><sub>r</sub>", format_value(result.rv, result.rv_err), "km/s"))
    distance = result.extras.get("distance", math.nan)
    if math.isfinite(distance):
        rows.append(("distance", format_value(distance, result.extras["distance_err"]), "pc"))
    lines = [
        f'<article class="{result.status}">{format_link(picture, image)}<h2>{name}</h2>',
        "<table>",
        *(f"<tr><td>{symbol}<td>{value} {unit}" for symbol, value, unit in rows),
        "</table>",
        f"<p>{escape(', '.join(describe_quality(result)))}</p>",
        *(f"<p>{escape(clean_text(note))}</p>" for note in result.notes),
        *(f'<p class="flag">{escape(clean_text(reason))}</p>' for reason in result.reasons),
        "</article>",
    ]
    return "\n".join(lines)


def format_value(value, err):
    """`5772 ± 31`: two digits of the error and as many decimals of the value.

    The value alone if the error is unknown; `unknown` if the value is not finite.
    """
    if not math.isfinite(value):
        return "unknown"
    if not (math.isfinite(err) and err > 0):
        return f"{value:.5g}".replace("-", MINUS)
    decimals = 1 - math.floor(
        math.log10(float(f"{err:.1e}"))
    )  # of the rounded error: 0.0996 is 0.10
    value = round(value, decimals) + 0.0  # + 0.0: never "-0.00"
    err = round(err, decimals)
    digits = max(decimals, 0)
    return f"{value:.{digits}f} ± {err:.{digits}f}".replace("-", MINUS)


def describe_quality(result):
    """Texts of S/N, reduced chi-square, fraction of observed pixels and medium, if known."""
    texts = []
    if math.isfinite(result.snr):
        texts.append(f"S/N {result.snr:.0f}")
    if math.isfinite(result.chi2):
        texts.append(f"reduced \N{GREEK SMALL LETTER CHI}² {result.chi2:.2f}")
    if math.isfinite(result.coverage):
        texts.append(f"{100 * result.coverage:.0f} % of pixels")
    if result.medium:
        source = f" ({clean_text(result.medium_source)})" if result.medium_source else ""
        texts.append(f"wavelengths in {result.medium}{source}")
    return texts


def choose_file_name(name, taken, suffix=".png"):
    """A file name `<name><suffix>` of letters, digits, `.`, `_` and `-`, not in the set `taken`.

    The name is added to `taken`. Names that differ only in case count as equal, as on some disks.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-")[:LONGEST] or "star"
    file = f"{stem}{suffix}"
    number = 1
    while file.lower() in taken:
        number += 1
        file = f"{stem}_{number}{suffix}"
    taken.add(file.lower())
    return file
