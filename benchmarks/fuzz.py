"""Run damaged configurations and files through the scripts, and count the outcomes.

    python -m benchmarks.fuzz

A case either `ran`, or was `refused` by one line per mistake that names the file. Anything else is
a finding: a traceback, 30 s, 4 GB, a changed file outside the folders of the run, an error that
names no file, or other words on stderr. Findings are printed with the command that repeats them;
then the exit code is 1. Cases depend on --seed and their number only.
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
# one thread, because cases are forked
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

STAGES = ("0_join", "1_label_study", "2_preprocess")
# a message must contain one of these
CULPRITS = ("config.yaml", "inputs/", "data/", "recipes/", " not found: ")
DRAWN_EVERY = 25  # figures take most of the time: of these cases only


def draw_examples(strategy, n, number):
    """n examples of a strategy, the same for the same number."""
    outcome = []

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
        outcome.append(example)

    collect()
    return outcome


def make_config_cases(n, number):
    """Yield n Cases of damaged configurations, as many of each kind."""
    kinds = fuzz_configs.KINDS
    for first, (kind, strategy) in enumerate(kinds.items()):
        share = len(range(first, n, len(kinds)))
        for i, data in enumerate(draw_examples(strategy, share, number) if share else []):
            steps = [
                step
                for step in STAGES
                if step != "1_label_study" or i % DRAWN_EVERY == DRAWN_EVERY - 1
            ]
            grid = ["grid"] if i % 4 == 0 and kind != "broken YAML" else []
            yield Case(kind, i, {"config.yaml": data}, ("load", *grid, *steps), CULPRITS)


def prepare_process():
    """Import what the stages import, so that the children need not."""
    import astropy.coordinates
    import astropy.table
    import dust_extinction.parameter_averages
    import scipy.interpolate
    import sklearn.decomposition

    from starlabels.learning import backend, component_models, trained_model
    from starlabels.plots import label_study, observed_spectra, tables
    from starlabels.stages import generate_files, predict, score_figures
    from starlabels.synthesis import node_builder, sampler

    assert all(
        (
            astropy,
            dust_extinction,
            scipy,
            sklearn,
            score_figures,
            generate_files,
            predict,
            observed_spectra,
            tables,
            sampler,
        )
    )
    plt.rcParams["savefig.dpi"] = 20
    node_builder.build_library = fuzz_run.refuse_synthesis
    label_study.MOST_PAIRS = 3
    backend.start_keras, component_models.add_components_output, component_models.extract_basis = (
        lambda: "no Keras",
        lambda model: model,
        lambda model: None,
    )
    trained_model.read_keras_model = lambda path: fuzz_run.ZeroNetwork()


def print_finding(case, outcome, keep):
    """Print a finding, and write the files that repeat it."""
    path = Path(keep) / f"{case.kind.replace(' ', '_')}_{case.number}"
    for name, data in case.files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data or b"")
    words = outcome.stderr.strip().splitlines()
    last = words[-1][:200] if words else ""
    print(f"{outcome.verdict}: {case.kind} {case.number} at {outcome.step}: {last}; {path}")
    (path / "said").write_text(outcome.stderr, errors="backslashreplace")


def format_table(results):
    """Counts of each verdict by kind, as text."""
    kinds = list(dict.fromkeys(case.kind for case, _ in results))
    counts = collections.Counter((case.kind, outcome.verdict) for case, outcome in results)
    head = ("ran", "refused", *FINDINGS)
    lines = [
        f"{'inputs':<34}{'cases':>7}" + "".join(f"{name:>11}" for name in head) + f"{'slowest':>11}"
    ]
    for kind in (*kinds, "all"):
        rows = [outcome for case, outcome in results if kind in (case.kind, "all")]
        counted = kinds if kind == "all" else [kind]
        n = [sum(counts[key, name] for key in counted) for name in head]
        slowest = max(outcome.seconds for outcome in rows)
        lines.append(
            f"{kind:<34}{len(rows):>7}"
            + "".join(f"{number:>11}" for number in n)
            + f"{slowest:>9.1f} s"
        )
    return "\n".join(lines)


def parse_arguments():
    """The command-line arguments."""
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


def run_fuzz():
    """Run the cases, print findings and the table; the exit code is 1 if there are findings."""
    args = parse_arguments()
    prepare_process()
    results = []
    with tempfile.TemporaryDirectory() as template:
        fuzz_files.write_template(template)
        cases = [
            *make_config_cases(args.configs, args.seed),
            *fuzz_files.make_file_cases(args.files, args.seed, template),
        ]
        if args.only:
            cases = [case for case in cases if (case.kind, str(case.number)) == tuple(args.only)]
        for trains in (False, True):  # Keras is imported only when all others are through
            if trains and any("3_train" in c.steps for c in cases):
                # not started: what runs in its threads would hang in the children
                import keras  # noqa: F401
            for case, outcome in fuzz_run.run_cases(
                [c for c in cases if ("3_train" in c.steps) == trains], template, args.workers
            ):
                results.append((case, outcome))
                if outcome.verdict in FINDINGS:
                    print_finding(case, outcome, args.keep)
    print(format_table(results))
    return int(any(outcome.verdict in FINDINGS for _, outcome in results))


if __name__ == "__main__":
    sys.exit(run_fuzz())
