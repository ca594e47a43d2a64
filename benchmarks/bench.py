"""Time what the pipeline does, in one table: medians of repeated alternating runs. `make bench`, a few minutes.

Uses the packaged nodes and the recipe in force; nothing is written but the table.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from starlabels import config, grid, h5io
from starlabels.models import start_keras

REPEATS = 5
N_SPECTRA = 4096


def alternate(functions, repeats=REPEATS):
    """{name: median seconds} of functions {name: callable}, run in turn so that a drifting machine favours none."""
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()  # warm up
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def epochs(cfg, flux, labels):
    """Train one epoch: {what: callable} for streamed noisy spectra from disk and for the same network on arrays in memory."""
    from starlabels.data import SpectrumBatches, log_uniform
    from starlabels.training import build

    model = build(cfg, flux.shape[1])
    model.compile("adam", loss="mse")
    arrays = np.random.default_rng(0).random((len(labels), flux.shape[1]), dtype="f4"), labels
    streamed = SpectrumBatches(flux, labels, cfg.train.batch_size, log_uniform(20, 400), training=True)
    return {
        "memory": lambda: model.fit(*arrays, batch_size=cfg.train.batch_size, verbose=0),
        "streamed": lambda: model.fit(streamed, verbose=0, shuffle=False),
    }


def synthesis(cfg):
    """Seconds a node of the default window takes in one worker process, start not counted."""
    from starlabels.synthesis import nodes
    from starlabels.synthesis.library import PACKAGED

    points = np.array([[6000.0, 4.0, 0.0, 2.0], [8000.0, 4.0, 0.0, 2.0], [6500.0, 3.0, 0.5, 2.0], [9500.0, 3.5, -1.0, 2.0]])
    ticks = [time.perf_counter() for _ in nodes.synthesise(PACKAGED["blue_4450_4990.h5"], points, 1)]
    return (ticks[-1] - ticks[0]) / (len(ticks) - 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    cfg = config.load(parser.parse_args().config)
    rows = [("synthesis of a node, one process", f"{synthesis(cfg):.2f} s")]
    sampler, (drawn, _), wave = grid.sampler_for(cfg), grid.draw(cfg, np.random.default_rng(0)), cfg.wave.grid()
    part = {name: values[:N_SPECTRA] for name, values in drawn.items()}
    n = len(part["teff"])
    timed = alternate({"sampling": lambda: sampler.spectra(part, wave, cfg.grid.resolving_power)}, 3)
    rows.append((f"sampling spectra of {len(wave)} pixels, rank {len(sampler.basis)}", f"{n / timed['sampling']:.0f} /s"))
    print(start_keras())
    from starlabels import jacobians

    with tempfile.TemporaryDirectory() as folder, h5io.create(f"{folder}/x.h5", "bench", "", cfg) as h5:
        flux = h5io.create_spectra(h5, n, len(wave), "flux")
        flux[:] = sampler.spectra(part, wave, cfg.grid.resolving_power)
        labels = np.random.default_rng(1).standard_normal((n, len(cfg.labels))).astype("f4")
        functions = epochs(cfg, flux, labels)
        seed = config.load("recipes/seed.yaml")
        functions["seed"] = epochs(seed, flux, labels)["memory"]
        timed = alternate(functions, 3)
        from starlabels.training import build

        model, some = build(cfg, len(wave)), flux[:300]
        timed |= alternate({
            "predict": lambda: model.predict(flux[:], batch_size=256, verbose=0),
            "jacobians": lambda: [jacobians.jacobian(model, some[i : i + 50]) for i in range(0, 300, 50)],
        }, 3)  # fmt: skip
    rows += [
        ("training, noisy spectra streamed from disk", f"{n / timed['streamed']:.0f} /s"),
        ("training, random arrays in memory", f"{n / timed['memory']:.0f} /s"),
        ("  streamed over memory", f"{timed['memory'] / timed['streamed']:.2f}"),
        ("training recipes/seed.yaml's network, arrays in memory", f"{n / timed['seed']:.0f} /s"),
        ("prediction", f"{n / timed['predict']:.0f} /s"),
        (f"300 Jacobians of {len(cfg.labels)} labels", f"{timed['jacobians']:.1f} s"),
    ]
    print(f"{platform.machine()}, {os.cpu_count()} cores; run {cfg.run}, batch {cfg.train.batch_size}")
    for what, value in rows:
        print(f"{what:<58}{value:>12}")


if __name__ == "__main__":
    main()
