"""Damaged inputs: `python -m benchmarks.fuzz` runs 2000 configurations and 500 files through the scripts, and counts what came.

A case is `refused` by one line a mistake that names the file, or it `ran`. All else is a finding: a traceback, 30 s, 4 GB, a
file changed outside the folders of the run, an error that names no file, words on stderr that are no error. Findings are
printed with what makes them again; the exit code is 1 if there are any. Cases follow from --seed and their number.
"""

import argparse
import collections
import os
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks import fuzz_configs, fuzz_files, fuzz_run
from benchmarks.fuzz_run import FINDINGS, Case

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ |= dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)  # cases are forked

STAGES = ("0_join", "1_label_study", "2_preprocess")
CULPRITS = ("config.yaml", "inputs/", "data/", " not found: ")  # one of which a message must name
DRAWN_EVERY = 25  # figures take most of the time: of these cases only


def draw(strategy, n, number):
    """n examples of a strategy, the same for the same number."""
    found = []

    @seed(number)
    @settings(
        max_examples=n,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example):
        found.append(example)

    collect()
    return found


def config_cases(n, number):
    """n Cases of damaged configurations, a third of each kind."""
    kinds = fuzz_configs.KINDS
    for first, (kind, strategy) in enumerate(kinds.items()):
        share = len(range(first, n, len(kinds)))
        for i, data in enumerate(draw(strategy, share, number) if share else []):
            steps = [
                one
                for one in STAGES
                if one != "1_label_study" or i % DRAWN_EVERY == DRAWN_EVERY - 1
            ]
            grid = ["grid"] if i % 4 == 0 and kind != "broken YAML" else []
            yield Case(kind, i, {"config.yaml": data}, ("load", *grid, *steps), CULPRITS)


def warm():
    """Import what the stages import, so that each child need not."""
    import astropy.coordinates
    import astropy.table
    import dust_extinction.parameter_averages
    import scipy.interpolate
    import sklearn.decomposition

    from starlabels.learning import backend, trained_model
    from starlabels.plots import label_study, observed_spectra, tables
    from starlabels.stages import generate_files, predict, test_figures
    from starlabels.synthesis import node_builder, sampler

    assert all(
        (
            astropy,
            dust_extinction,
            scipy,
            sklearn,
            test_figures,
            generate_files,
            predict,
            observed_spectra,
            tables,
            sampler,
        )
    )
    plt.rcParams["savefig.dpi"] = 20
    node_builder.build_library = fuzz_run.no_synthesis
    label_study.MOST_PAIRS = 3
    backend.start_keras, trained_model.add_components_output, trained_model.extract_basis = (
        lambda: "no Keras",
        lambda model: model,
        lambda model: None,
    )
    trained_model.read_keras_model = lambda path: fuzz_run.Network()


def report(case, found, keep):
    """Print a finding, and what makes it again."""
    path = Path(keep) / f"{case.kind.replace(' ', '_')}_{case.number}"
    for name, data in case.files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data or b"")
    words = found.said.strip().splitlines()
    print(
        f"{found.verdict}: {case.kind} {case.number} at {found.step}: {words[-1][:200] if words else ''}; {path}"
    )
    (path / "said").write_text(found.said, errors="backslashreplace")


def table(results):
    """Counts of each verdict by kind, as text."""
    kinds = list(dict.fromkeys(case.kind for case, _ in results))
    counts = collections.Counter((case.kind, found.verdict) for case, found in results)
    head = ("ran", "refused", *FINDINGS)
    lines = [
        f"{'inputs':<34}{'cases':>7}" + "".join(f"{name:>11}" for name in head) + f"{'slowest':>11}"
    ]
    for kind in (*kinds, "all"):
        rows = [found for case, found in results if kind in (case.kind, "all")]
        n = [sum(counts[one, name] for one in kinds if kind in (one, "all")) for name in head]
        slowest = max(found.seconds for found in rows)
        lines.append(
            f"{kind:<34}{len(rows):>7}" + "".join(f"{one:>11}" for one in n) + f"{slowest:>9.1f} s"
        )
    return "\n".join(lines)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--configs", type=int, default=2000, help="damaged configurations (default: 2000)"
    )
    parser.add_argument("--files", type=int, default=500, help="damaged files (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="of all draws (default: 1)")
    parser.add_argument(
        "--only",
        nargs=2,
        metavar=("KIND", "NUMBER"),
        help="one case: its kind and number; counts and seed as before",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument(
        "--keep",
        default=tempfile.gettempdir() + "/fuzz_findings",
        help="folder for the inputs of findings",
    )
    return parser.parse_args()


def main():
    """Run the cases and print findings and table; exit code 1 if there are findings."""
    args = arguments()
    warm()
    results = []
    with tempfile.TemporaryDirectory() as template:
        fuzz_files.write_template(template)
        cases = [
            *config_cases(args.configs, args.seed),
            *fuzz_files.cases(args.files, args.seed, template),
        ]
        if args.only:
            cases = [case for case in cases if (case.kind, str(case.number)) == tuple(args.only)]
        for trains in (False, True):  # Keras is imported only when all others are through
            if trains and any("3_train" in c.steps for c in cases):
                import keras  # noqa: F401  not started: what runs in its threads would hang in the children
            for case, found in fuzz_run.run_all(
                [c for c in cases if ("3_train" in c.steps) == trains], template, args.workers
            ):
                results.append((case, found))
                if found.verdict in FINDINGS:
                    report(case, found, args.keep)
    print(table(results))
    return int(any(found.verdict in FINDINGS for _, found in results))


if __name__ == "__main__":
    sys.exit(main())
