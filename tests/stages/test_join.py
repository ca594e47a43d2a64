"""Joining: rows keep their file, invalid spectra are left out, and all losses are counted."""

from collections import Counter

import h5py
import numpy as np
import pytest
from conftest import draw_labels, run_script, toy_spectra, write_grid, write_published

from starlabels.base import hdf5_labels
from starlabels.base.errors import UserError
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.stages import join

TWO = [{"path": "db/a.h5", "where": "mh != 0"}, {"path": "db/b.h5", "where": None}]
STEPS = {
    "grid.labels": {
        "teff": {"min": 6000, "max": 9000, "step": 1000},
        "logg": {"min": 3, "max": 4, "step": 0.5},
        "mh": {"min": -0.3, "max": 0.3, "step": 0.3},
        "vsini": {"min": 0, "max": 50, "step": 50},
    }
}


def published(cfg, path, n=40, seed=0, spoil=None):
    """Write a toy database in the published layout with some flux spoilt; labels and flux."""
    labels = draw_labels(cfg, n, seed)
    flux = toy_spectra(cfg.wave.grid(), labels)
    if spoil:
        spoil(flux)
    write_published(path, labels, flux)
    return labels, flux


def joined(cfg):
    """The joined file's content."""
    with Run(cfg).open("0_join") as h5:
        found = {
            name: h5[name][:]
            for name in ("spectra/flux", "spectra/wave", "source", "source_row", "star_id")
        }
        names = hdf5_labels.read_label_names(h5)
        return (
            found
            | dict(zip(names, hdf5_labels.read_labels(h5, names).T))
            | {"files": list(h5["source"].attrs["names"])}
        )


def test_two_published_databases_join_with_an_index_that_leads_back(make_config):
    cfg = make_config({**STEPS, "join.databases": TWO})
    originals = [published(cfg, "db/a.h5"), published(cfg, "db/b.h5", 25, seed=1)]
    join.join_databases(Run(cfg))
    found = joined(cfg)
    assert found["files"] == ["db/a.h5", "db/b.h5"]
    n_a = int((originals[0][0]["mh"] != 0).sum())
    assert 0 < n_a < 40
    assert len(found["source"]) == len(found["spectra/flux"]) == n_a + 25
    for i, (source, row) in enumerate(zip(found["source"], found["source_row"])):
        labels, flux = originals[source]
        assert np.array_equal(found["spectra/flux"][i], flux[row])
        assert found["teff"][i] == labels["teff"][row]
    assert np.allclose(found["spectra/wave"], cfg.wave.grid())


def test_identical_labels_are_one_star_in_whatever_published_database(make_config):
    cfg = make_config({**STEPS, "join.databases": TWO})
    published(cfg, "db/a.h5")
    published(cfg, "db/b.h5", seed=1)
    join.join_databases(Run(cfg))
    found = joined(cfg)
    labels = np.stack([found[name] for name in ("teff", "logg", "mh", "vsini")], axis=1)
    assert len(np.unique(found["star_id"])) == len(np.unique(labels, axis=0))


def test_star_ids_of_a_database_are_kept(make_config):
    cfg = make_config()
    write_grid(cfg, 30, star_id=[f"star {i // 3}" for i in range(30)])
    join.join_databases(Run(cfg))
    assert joined(cfg)["star_id"][5] == b"star 1"


def test_spoilt_spectra_are_dropped_and_counted_by_cause(make_config, capsys):
    def spoil(flux):
        flux[0, 3], flux[1, 5], flux[4, 9] = np.nan, np.inf, 1e30
        flux[2] = -flux[2]
        flux[3, 7] = -1e4

    cfg = make_config({**STEPS, "join.databases": TWO})
    published(cfg, "db/a.h5")
    published(cfg, "db/b.h5", spoil=spoil)
    join.join_databases(Run(cfg))
    text = capsys.readouterr().out
    counts = "3 have NaN, infinite or absurd flux, 2 have negative continuum"
    assert f"db/b.h5: kept 35 of 40 spectra: {counts}" in text
    assert "excluded by where" in text
    assert np.isfinite(joined(cfg)["spectra/flux"]).all()


def test_noise_below_zero_is_no_negative_continuum():
    noisy = 1 + np.random.default_rng(0).normal(0, 1, (5, 300)).astype("f4")
    assert join.mask_valid_spectra(noisy, Counter()).all()


def test_our_database_joins_a_published_one_and_keeps_all_labels(make_config):
    cfg = make_config()
    own = str(paths.run_paths(cfg).grid)
    cfg = make_config({"join.databases": [{"path": own}, {"path": "b.h5"}]})
    write_grid(cfg, 20)
    published(cfg, "b.h5", 10)
    join.join_databases(Run(cfg))
    found = joined(cfg)
    assert np.isnan(found["vmic"]).tolist() == [False] * 20 + [True] * 10


def test_another_wavelength_grid_is_an_error_or_resampled(make_config):
    other = [{"path": "other.h5"}]
    cfg = make_config({"join.databases": other})
    fine = np.arange(4468, 4492, 0.08)
    labels = write_grid(cfg, 20, "other.h5", wave=fine)
    with pytest.raises(
        UserError,
        match=r"4468-4491.92 Angstrom in steps of 0.08; config asks 200 pixels, 4470-4490",
    ):
        join.join_databases(Run(cfg))
    cfg = make_config({"join.databases": other, "join.resample": True})
    join.join_databases(Run(cfg))
    expected = np.stack(
        [np.interp(cfg.wave.grid(), fine, row) for row in toy_spectra(fine, labels)]
    )
    assert (
        np.abs(joined(cfg)["spectra/flux"] - expected).max() < 2e-3
    )  # what linear interpolation costs
    write_grid(cfg, 20, "other.h5", wave=np.arange(4475, 4492, 0.08))
    with pytest.raises(UserError, match="does not cover it"):
        join.join_databases(Run(cfg))


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("teff <", "invalid syntax"),
        ("temp > 1", "'temp' is not defined"),
        ("mh + 1", "not true or false"),
    ],
)
def test_a_bad_query_names_the_labels(make_config, where, reason):
    cfg = make_config({"join.databases": [{"path": "a.h5", "where": where}]})
    published(cfg, "a.h5")
    with pytest.raises(
        UserError, match=f"a.h5: where: .*{reason}.*a condition on teff, logg, vsini, mh"
    ) as error:
        join.join_databases(Run(cfg))
    assert "\n" not in str(error.value)


def test_a_query_for_a_decimal_finds_the_float32(make_config):
    cfg = make_config({**STEPS, "join.databases": [{"path": "a.h5", "where": "mh == 0.3"}]})
    labels, _ = published(cfg, "a.h5")
    join.join_databases(Run(cfg))
    assert len(joined(cfg)["mh"]) == (np.abs(labels["mh"] - 0.3) < 0.01).sum() > 0


def test_unfit_databases_are_one_line_and_nothing_is_written(make_config):
    cfg = make_config({"join.databases": [{"path": "a.h5"}]})
    target = paths.run_paths(cfg).joined
    for spoil, message in [
        (lambda: None, "a.h5 not found"),
        (
            lambda: write_published("a.h5", draw_labels(cfg, 5), np.ones((5, 199))),
            "a.h5 has 199 pixels .* config asks 200 pixels",
        ),
        (
            lambda: write_published("a.h5", draw_labels(cfg, 5), np.ones((4, 200))),
            "a.h5 has 4 spectra but 5 rows of labels",
        ),
        (
            lambda: h5py.File("a.h5", "w").create_dataset("Y", data=1).file.close(),
            "a.h5 holds Y; expected",
        ),
        (
            lambda: published(cfg, "a.h5", 9, spoil=lambda flux: flux.fill(np.nan)),
            "no spectrum is left",
        ),
    ]:
        spoil()
        with pytest.raises(UserError, match=message):
            join.join_databases(Run(cfg))
        assert not target.exists()
        assert not target.with_name(target.name + ".tmp").exists()


def test_a_missing_label_names_the_database_and_its_labels(make_config):
    cfg = make_config({"labels": ["teff", "feh"], "join.databases": [{"path": "a.h5"}]})
    published(cfg, "a.h5")
    with pytest.raises(
        UserError, match=r"a.h5 has labels \[teff, logg, vsini, mh\]; config also asks for feh"
    ):
        join.join_databases(Run(cfg))


def test_a_stale_grid_asks_for_grid_again(make_config):
    write_grid(make_config())
    cfg = make_config({"grid.n_spectra": 61})
    with pytest.raises(
        UserError, match="afgk.h5 was made with other settings of grid: re-run python grid.py"
    ):
        join.join_databases(Run(cfg))


def test_scripts_answer_mistakes_with_one_line_and_code_2(make_config, tmp_path):
    cfg = make_config()
    for script in ("0_join.py", "1_label_study.py", "2_preprocess.py"):
        done = run_script(script)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert "not found: run python" in done.stderr
    write_grid(cfg)
    (tmp_path / "data" / cfg.run).write_text("a file where a folder belongs")
    done = run_script("0_join.py")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "data/afgk" in done.stderr


def test_wavelengths_out_of_order_and_labels_without_names_are_clear_errors(make_config):
    cfg = make_config(
        {"join.databases": [{"path": "mine.h5", "where": None}], "join.resample": True}
    )
    write_grid(cfg, path="mine.h5", wave=cfg.wave.grid()[::-1])
    with pytest.raises(UserError, match="must be finite and increasing"):
        join.join_databases(Run(cfg))
    write_grid(cfg, path="mine.h5")
    with h5py.File("mine.h5", "r+") as h5:
        del h5["labels/value"].attrs["names"]
    with pytest.raises(UserError, match="expected numbers .n, n_labels., one name per column"):
        join.join_databases(Run(cfg))


def test_a_database_listed_twice_or_the_output_itself_is_refused(make_config):
    with pytest.raises(UserError, match="mine.h5 is listed twice"):
        make_config({"join.databases": [{"path": "mine.h5", "where": None}] * 2})
    cfg = make_config({"join.databases": [{"path": "data/afgk/0_joined.h5", "where": None}]})
    with pytest.raises(UserError, match="is what 0_join.py writes"):
        join.join_databases(Run(cfg))


def test_a_grid_that_is_not_joined_is_noted(make_config, capsys):
    cfg = make_config({"join.databases": [{"path": "mine.h5", "where": None}]})
    write_grid(cfg)
    write_grid(cfg, path="mine.h5")
    join.join_databases(Run(cfg))
    assert (
        "note: data/grids/afgk.h5, the grid of config.yaml, is not among join.databases"
        in capsys.readouterr().out
    )


def write_labels(path, cfg, labels, **attributes):
    """Write toy spectra with the given labels {name: (n,)} in our layout."""
    n = len(labels["teff"])
    with h5py.File(path, "w") as h5:
        h5["spectra/wave"] = cfg.wave.grid()
        h5["spectra/flux"] = np.ones((n, cfg.wave.n_pix), "f4")
        h5["labels/value"] = np.column_stack(list(labels.values()))
        h5["labels/value"].attrs.update({"names": list(labels), "units": [""] * len(labels)})
        for name, values in attributes.items():
            h5[name] = values


def test_labels_of_minus_9999_are_missing_and_identifiers_are_checked(make_config, capsys):
    entry = {"path": "mine.h5", "where": None}
    cfg = make_config({"join.databases": [entry], "labels": ["teff", "logg"]})
    labels = {"teff": np.array([6000.0, 7000, -9999, -9999]), "logg": np.array([3, 4, 3.5, 99.99])}
    write_labels("mine.h5", cfg, labels, star_id=np.array([1, 2, 3, 2**53 + 1]))
    join.join_databases(Run(cfg))
    found = joined(cfg)
    np.testing.assert_array_equal(found["teff"], np.array([6000, 7000, np.nan, np.nan], "f4"))
    np.testing.assert_allclose(found["logg"], [3, 4, 3.5, 99.99], rtol=1e-6)
    assert found["star_id"].tolist() == [b"1", b"2", b"3", b"9007199254740993"]
    assert "mine.h5: teff is -9999 in 2 of 4 rows: taken as missing" in capsys.readouterr().out
    write_labels("mine.h5", cfg, labels, star_id=[1.0, 2.0, np.nan, np.nan])
    with pytest.raises(UserError, match="mine.h5: row 3: no star_id"):
        join.join_databases(Run(cfg))
