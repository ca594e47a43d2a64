"""Invented results of predict.py: a star without flags, one with flags and one that failed."""

from starlabels.spectra.results import StarResult

NAN = float("nan")
LABELS = {"teff": 5771.6, "logg": 4.4382, "vsini": 1.62}
ERRORS = {"teff": 31.2, "logg": 0.0123, "vsini": 0.71}
FINE = StarResult("sun.fits", "", LABELS, ERRORS, NAN, NAN, 154.2, 1.02, 0, [], 1.0)
FLAGGED = FINE._replace(
    name="hot, \u03b1.fits", rv=-12.34, rv_err=0.21, flags=3, reasons=["too hot", "odd"]
)
FAILED = StarResult("empty.fits", "no pixel\nwas observed", {}, {}, NAN, NAN, NAN, NAN, 0, [], 0.0)
