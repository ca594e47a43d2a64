"""Time the steps of the pipeline: medians of repeated alternating runs. `make bench`, 5 minutes.

It uses the packaged nodes and the current recipe. `python -m benchmarks.scaling` measures time and
memory of whole stages.
"""

import os
import platform
import random
import statistics
import tempfile
import time

import numpy as np

from starlabels.base import hdf5, hdf5_spectra
from starlabels.config import load
from starlabels.learning import components, jacobians
from starlabels.learning.backend import start_keras
from starlabels.stages import command_line, recipe_nodes, recipe_stars

REPEATS = 3
N_SPECTRA = 4096
PASSES = 40  # of the spectra in an epoch, which then has as many samples as in config.yaml


def time_alternating(functions, repeats=REPEATS):
    """{name: median seconds} of functions {name: callable}, in random order: machines drift."""
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()  # warm up
    for _ in range(repeats):
        for name, function in random.sample(list(functions.items()), len(functions)):
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def write_prepared(cfg, h5, sampler, labels, wave):
    """Write spectra of `labels` into h5 as 2_preprocess does, with equal parts; their Basis."""
    flux = hdf5_spectra.create_spectra(h5, len(labels["teff"]), len(wave), "train/flux")
    flux[:] = sampler.sample_spectra(labels, wave, cfg.grid.resolving_power)
    values = np.column_stack([labels[name] for name in cfg.labels])
    h5["train"].create_dataset("labels", data=values).attrs.update(
        {"names": cfg.labels, "units": cfg.labels}
    )
    h5["scaling/mean"], h5["scaling/std"] = values.mean(axis=0), values.std(axis=0)
    if cfg.preprocess.components:
        n, blocks = cfg.preprocess.components, cfg.preprocess.blocks
        components.write_components(h5, ["train"], n, blocks, cfg.seed, cfg.preprocess.chunk_rows)
    h5["validation"] = h5["train"]
    return components.read_basis(h5)


def make_epochs(cfg, h5):
    """({name: callable that trains an epoch}, number of samples) of noisy spectra and arrays."""
    from starlabels.learning import training
    from starlabels.stages import train_labels

    basis = components.read_basis(h5)
    network = train_labels.build_label_network(cfg, h5, basis)
    training.compile_network(network, cfg.train, steps=100)
    batches = train_labels.make_batches(cfg, h5, basis, "train", PASSES if basis else 1)
    n = len(batches.target) * batches.passes
    shape = (n, network.input_shape[1])
    arrays = (
        np.random.default_rng(0).random(shape, dtype="f4"),
        np.resize(batches.target, (n, len(cfg.labels))),
    )
    return {
        "memory": lambda: network.fit(*arrays, batch_size=cfg.train.batch_size, verbose=0),
        "noisy": lambda: network.fit(batches, verbose=0, shuffle=False),
    }, n


def time_synthesis():
    """Seconds per node of the default window in one worker process, without its start."""
    from starlabels.config.data_sections import Cluster
    from starlabels.synthesis import node_synthesis
    from starlabels.synthesis.library import PACKAGED

    points = np.array(
        [
            [6000.0, 4.0, 0.0, 2.0],
            [8000.0, 4.0, 0.0, 2.0],
            [6500.0, 3.0, 0.5, 2.0],
            [9500.0, 3.5, -1.0, 2.0],
        ]
    )
    one = Cluster(scheduler=None, workers=1)
    ticks = [
        time.perf_counter()
        for _ in node_synthesis.synthesise_nodes(PACKAGED["blue.h5"], points, one)
    ]
    return (ticks[-1] - ticks[0]) / (len(ticks) - 1)


def time_network(cfg, h5, basis):
    """[(step, value)] of training, prediction and Jacobians."""
    from starlabels.learning import component_models, trained_model
    from starlabels.stages import train_errors, train_labels

    functions, n = make_epochs(cfg, h5)
    seed = load.load_config("recipes/seed.yaml")
    with (
        tempfile.TemporaryDirectory() as folder,
        hdf5.create_file(f"{folder}/x.h5", "bench", "", seed.text) as pixels,
    ):
        for name in ("train/flux", "train/labels/value", "scaling/mean", "scaling/std"):
            h5.copy(name, pixels.require_group(name.rpartition("/")[0]), name.rpartition("/")[2])
        published, n_seed = make_epochs(seed, pixels)
        timed = time_alternating({"seed": published["memory"]}) | time_alternating(functions, 11)
    flux = h5["train/flux"][:]
    network = train_labels.build_label_network(cfg, h5, basis)
    whole = component_models.prepend_components(network, basis)
    errors, watch = train_errors.fit_error_model(network, cfg, h5, basis)
    moments = h5["scaling/mean"][:], h5["scaling/std"][:]
    model = trained_model.TrainedModel(
        whole,
        component_models.add_components_output(whole) if basis else whole,
        cfg.labels,
        *moments,
        errors,
        watch,
        0.0,
        "",
        basis=basis,
    )
    snr, few = np.full(len(flux), 100.0), flux[:300]

    def compute_jacobians():
        for i in range(0, len(few), 50):
            jacobians.compute_jacobian(model.model, few[i : i + 50], len(cfg.labels))

    predict = {"predict": lambda: model.predict(flux, snr), "jacobians": compute_jacobians}
    timed |= time_alternating(predict)
    return [
        ("training, noisy spectra", f"{n / timed['noisy']:.0f} /s"),
        ("training, the same network on random arrays in memory", f"{n / timed['memory']:.0f} /s"),
        ("  noisy over random", f"{timed['memory'] / timed['noisy']:.2f}"),
        (
            "training recipes/seed.yaml's network, arrays in memory",
            f"{n_seed / timed['seed']:.0f} /s",
        ),
        ("prediction with errors", f"{len(flux) / timed['predict']:.0f} /s"),
        (f"300 Jacobians of {len(cfg.labels)} labels", f"{timed['jacobians']:.1f} s"),
    ]


def print_benchmarks(run, args):
    """Measure all steps and print the table."""
    cfg = run.cfg
    rows = [("synthesis of a node, one process", f"{time_synthesis():.2f} s")]
    sampler, (drawn, _), wave = (
        recipe_nodes.open_sampler(cfg),
        recipe_stars.draw_labels(cfg, np.random.default_rng(0)),
        cfg.wave.grid(),
    )
    part = {name: values[:N_SPECTRA] for name, values in drawn.items()}
    timed = time_alternating(
        {"sampling": lambda: sampler.sample_spectra(part, wave, cfg.grid.resolving_power)}
    )
    rate = len(part["teff"]) / timed["sampling"]
    rows.append(
        (f"sampling spectra of {len(wave)} pixels, rank {len(sampler.basis)}", f"{rate:.0f} /s")
    )
    print(start_keras())
    with (
        tempfile.TemporaryDirectory() as folder,
        hdf5.create_file(f"{folder}/x.h5", "bench", "", cfg.text) as h5,
    ):
        rows += time_network(cfg, h5, write_prepared(cfg, h5, sampler, part, wave))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; run {cfg.run}, batch {cfg.train.batch_size}"
    )
    for step, value in rows:
        print(f"{step:<58}{value:>16}")


if __name__ == "__main__":
    command_line.run_command(print_benchmarks, __doc__)
