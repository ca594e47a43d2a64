"""The table of --truth: known labels of the stars, to compare the predicted ones with."""

from collections import Counter

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.identifiers import clean_identifier
from starlabels.catalogues import table_columns, tables
from starlabels.stages.score_metrics import score_arrays

NAME_COLUMNS = ("file", "name", "star_id")
SHOWN = ("bias", "sigma", "coverage_68", "coverage_95")


class KnownLabels:
    """Known labels of stars, and the predictions to compare with them.

    Parameters
    ----------
    path : str
        Table with a column file (or name, star_id), columns of labels, and optionally their errors
        as <label>_err.
    names : list of str
        Labels of the model.

    Raises
    ------
    UserError
        If the table has no such columns, or a star twice.

    Attributes
    ----------
    names : list of str
        Labels that model and table have in common.
    """

    def __init__(self, path, names):
        self.path = path
        table = tables.read_table(path, texts=NAME_COLUMNS).drop_blank_rows()
        frame = table.frame
        key = next((name for name in NAME_COLUMNS if name in frame), None)
        self.names = [name for name in names if name in frame]
        if key is None or not self.names:
            found = f"its columns are {', '.join(map(str, frame))}"
            expected = f"file and any of {', '.join(names)}"
            raise UserError(f"--truth {path}: {found}: expected {expected}")
        # A file may be given with its folder
        stars = [clean_identifier(star).rpartition("/")[2] for star in frame[key]]
        twice, number = Counter(stars).most_common(1)[0]
        if number > 1:
            raise UserError(f"--truth {path}: {twice} comes twice: leave one row per star")
        columns = [*self.names, *(f"{name}_err" for name in self.names)]
        given = {name: name for name in columns if name in frame}
        numbers = table_columns.extract_columns(table, given).values
        unknown = np.full(len(stars), np.nan)  # of absent errors
        values = [np.asarray(numbers.get(name, unknown), float) for name in columns]
        self.rows = dict(zip(stars, np.column_stack(values)))

    def match_results(self, results):
        """Arrays true, mean, err and true_err (n, k), of the results that have a row.

        A row may have the name of the result, or that of its file with or without suffix.
        """
        pairs = []
        for result in results:
            stem = result.name.rpartition("/")[2]
            names = [result.name, stem, stem.rpartition(".")[0]]
            names = [clean_identifier(name) for name in names]
            row = next((self.rows[name] for name in names if name in self.rows), None)
            if row is not None and not result.problem:
                predicted = [result.labels[name] for name in self.names]
                errors = [result.errors[name] for name in self.names]
                pairs.append([*row, *predicted, *errors])
        columns = np.array(pairs, float).reshape(len(pairs), 4, len(self.names))
        true, true_err, mean, err = columns.swapaxes(0, 1)
        return {"true": true, "mean": mean, "err": err, "true_err": np.nan_to_num(true_err)}

    def print_scores(self, arrays):
        """Print bias, scatter and coverage of the predictions of `match_results`."""
        n = format_count(len(arrays["true"]))
        print(f"{n} stars with labels in {self.path}; the errors of both count:")
        scores = score_arrays(arrays, self.names)
        print(f"{'label':<12}" + "".join(f"{name:>14}" for name in SHOWN))
        for name in self.names:
            cells = (f"{scores[score][name]:>14.3g}" for score in SHOWN)
            print(f"{name:<12}" + "".join(cells))
