"""Figures of predict.py: one per star, and of all stars together."""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.labels import get_label
from starlabels.base.provenance import stamp_figure
from starlabels.spectra import result_page
from starlabels.spectra.results import StarResult
from starlabels.stages.guard import log_traces, run_guarded
from starlabels.stages.observed_inputs import name_files
from starlabels.stages.predict_flags import BITS

LEAST_STARS = 10  # with labels: fewer are no population
POPULATION, TRUTH = OVERVIEWS = ("population.png", "truth.png")


class FigureFolder:
    """Figures of a run of predict.py in the folder args.out: of its first stars, and of all."""

    def __init__(self, run, args):
        self.run = run
        self.args = args
        self.shown = name_files(args.files)
        self.names = set(OVERVIEWS)

    def draw_star(self, result, fitted):
        """Draw a FittedSpectrum; name of the file, or None if there is nothing to draw."""
        if fitted is None or len(self.names) >= self.args.figures + len(OVERVIEWS):
            return None
        name = run_guarded(result.name, "the figure", self._draw, result, fitted)
        if isinstance(name, StarResult):
            log_traces([name], self.args.out)
            return None
        return name

    def _draw(self, result, fitted):
        """Draw a FittedSpectrum; name of the file."""
        from starlabels.plots import observed_spectra

        name = result_page.choose_file_name(result.name, self.names)
        path = self.args.out / name
        observed_spectra.draw_star(fitted, result, path, self.run.cfg.get_lines(fitted.medium))
        files = [file for file, shown in self.shown.items() if result.name.startswith(shown)]
        return self._stamp(name, files)

    def draw_overviews(self, results, truth):
        """Draw figures of all StarResults; print how they agree with KnownLabels or None.

        List of the names of the files.
        """
        drawn = []
        for name, draw in ((TRUTH, self._draw_truth), (POPULATION, self._draw_population)):
            outcome = run_guarded(name, "the figure", draw, results, truth)
            if isinstance(outcome, StarResult):
                log_traces([outcome], self.args.out)
            elif outcome:
                drawn.append(self._stamp(name))
        return drawn

    def _draw_truth(self, results, truth):
        """Draw predicted against known labels; False if no star has both."""
        from starlabels.plots import batches

        arrays = truth.match_results(results) if truth else {"true": ()}
        if truth and not len(arrays["true"]):
            print(f"no star with labels has a row in {truth.path}: check its column of names")
        if not len(arrays["true"]):
            return False
        truth.print_scores(arrays)
        labels = [get_label(name) for name in truth.names]
        batches.draw_truth(**arrays, labels=labels, path=self.args.out / TRUTH)
        return True

    def _draw_population(self, results, _):
        """Draw the labels of all stars; False if few have labels."""
        from starlabels.plots import batches

        stars = [result for result in results if not result.problem]
        if len(stars) < LEAST_STARS:
            return False
        labels = collect_columns([star.labels for star in stars])
        errors = collect_columns([star.errors for star in stars])
        flagged = np.array([star.flags != 0 for star in stars])
        snr = np.array([star.snr for star in stars])
        counts = count_flags(results)
        path = self.args.out / POPULATION
        batches.draw_population(labels, errors, snr, flagged, counts, path)
        return True

    def _stamp(self, name, files=()):
        """Add the provenance to a figure of spectra of files; its name."""
        inputs = {self.args.model: hdf5.compute_file_digest(self.args.model / "scaling.h5")}
        inputs |= {file: hdf5.compute_file_digest(file) for file in files}
        stamp_figure(self.args.out / name, self.run.text, inputs)
        return name


def collect_columns(rows):
    """{name: (n,)} of a list of {name: value}."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def count_flags(results):
    """{flag or status: number of StarResults}, without flags that no star carries."""
    from starlabels.plots import batches

    flags = np.array([0 if result.problem else result.flags for result in results])
    counts = {batches.SOUND: sum(result.status == "ok" for result in results)}
    counts |= {name: int(np.sum((flags & bit) > 0)) for name, bit in BITS.items()}
    counts["failed"] = sum(bool(result.problem) for result in results)
    return {name: number for name, number in counts.items() if number}
