"""The user's matplotlibrc does not matter."""

import os
import subprocess
import sys

from conftest import ROOT


def test_a_matplotlibrc_with_latex_and_another_backend_changes_no_figure(tmp_path):
    (tmp_path / "matplotlibrc").write_text(
        "backend: TkAgg\ntext.usetex: True\nfont.size: 30\nsavefig.format: pdf\n"
    )
    code = (
        "import matplotlib; from starlabels.plots import plt; "
        "names = ('text.usetex', 'font.size', 'savefig.format'); "
        "print(matplotlib.get_backend().lower(), *(plt.rcParams[name] for name in names))"
    )
    printed = []
    for folder in (tmp_path, ROOT):
        environment = os.environ | {"MATPLOTLIBRC": str(folder), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(done.stdout)
    assert printed[0] == printed[1] and printed[0].startswith("agg False")
