"""RAVE-like spectra: labels of the tables, effects of a survey, and counts."""

from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest

from starlabels.base.errors import UserError
from starlabels.config.run import Run
from starlabels.stages import join, recipe_stars
from starlabels.tools import mock_rave

N = 10
PATHS = {"labels": "labels.csv", "photometry": "photometry.csv", "out": "rave.h5"}


def tables(folder):
    """Write the tables of N stars, two of them outside the nodes, and return them."""
    rng = np.random.default_rng(3)
    labels = pd.DataFrame({name: rng.uniform(-0.1, 0.1, N) for name in mock_rave.LABELS})
    labels["Teff"], labels["logg"] = rng.uniform(4800, 5200, N), rng.uniform(2.5, 3.2, N)
    labels.insert(0, mock_rave.ID_COLUMN, [f"20040403_1042m11_{i:03d}" for i in range(N)])
    labels.loc[2, "Teff"], labels.loc[7, "SiFe"] = 4100.0, 0.9
    photometry = pd.DataFrame({name: rng.uniform(8, 12, N) for name in mock_rave.PHOTOMETRY})
    photometry.loc[4, "wise2"] = np.nan
    labels.to_csv(folder / PATHS["labels"], index=False)
    photometry.to_csv(folder / PATHS["photometry"], index=False)
    return labels, photometry


def made(folder, seed=1, name="rave.h5"):
    """{name: array} of spectra, errors and ids, and {label: (n,)}, of a file with that seed."""
    paths = {key: folder / value for key, value in (PATHS | {"out": name}).items()}
    mock_rave.write_mock_rave(None, SimpleNamespace(seed=seed, **paths))
    with h5py.File(paths["out"]) as h5:
        labels = dict(zip(h5["labels/value"].attrs["names"], h5["labels/value"][:].T))
        return {key: h5[f"spectra/{key}"][:] for key in ("wave", "flux", "flux_err")} | {
            "id": h5["star_id"][:],
            "labels": labels,
        }


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The folder, its two tables and what was made of them."""
    folder = tmp_path_factory.mktemp("rave")
    return folder, *tables(folder), made(folder)


def test_spectra_are_those_of_the_stars_that_the_nodes_reach(survey):
    _, labels, photometry, found = survey
    kept = [i for i in range(N) if i not in (2, 7)]
    assert found["id"].astype(str).tolist() == labels[mock_rave.ID_COLUMN][kept].tolist()
    assert found["flux"].shape == (8, 962) and np.isfinite(found["flux"]).all()
    assert (found["wave"][0], found["wave"][-1]) == pytest.approx((8410, 8794.4))
    core = np.abs(found["wave"] - 8542.1) < 1
    assert (found["flux"][:, core].mean(axis=1) < 0.6).all()  # calcium
    for name, ours in mock_rave.LABELS.items():
        np.testing.assert_allclose(found["labels"][ours], labels[name][kept], rtol=1e-6)
    for name, ours in mock_rave.PHOTOMETRY.items():
        np.testing.assert_allclose(found["labels"][ours], photometry[name][kept], rtol=1e-6)


def test_stars_left_out_are_counted_by_cause(tmp_path, capsys):
    tables(tmp_path)
    made(tmp_path)
    printed = capsys.readouterr().out
    assert (
        "kept 8 of 10 stars: 1 have teff outside 4500 to 7500, 1 have si_m outside -0.5 to 0.5"
        in printed
    )


def test_missing_pixels_are_one_and_counted(survey):
    found = survey[-1]
    missing = np.isnan(found["flux_err"])
    assert missing.any() and (found["flux"][missing] == 1).all()
    np.testing.assert_allclose(found["labels"]["missing_pixels"], missing.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        np.nanmedian(found["flux_err"], axis=1), 1 / found["labels"]["snr"], rtol=1e-6
    )


def test_runs_of_bad_pixels_are_as_many_and_as_long_as_stated():
    bad = mock_rave.draw_bad_pixels(np.random.default_rng(0), 4000, 900)
    runs = (np.diff(bad.astype(int), axis=1, prepend=0) == 1).sum()
    assert runs / 4000 == pytest.approx(mock_rave.N_RUNS, rel=0.05)
    assert bad.sum() / runs == pytest.approx(mock_rave.RUN_LENGTH, rel=0.05)


def test_noise_of_neighbours_has_the_correlation_stated():
    noise = mock_rave.draw_noise(np.random.default_rng(0), 300, 900)
    products = [
        (noise[:, shift:] * noise[:, : noise.shape[1] - shift]).mean() for shift in range(3)
    ]
    np.testing.assert_allclose(products, [1, mock_rave.CORRELATION, 0], atol=0.01)


def test_the_continuum_is_wrong_by_as_much_as_stated():
    assert mock_rave.draw_continuum_errors(np.random.default_rng(0), 2000).std() == pytest.approx(
        mock_rave.CONTINUUM_RMS, rel=0.05
    )


def test_the_same_seed_gives_the_same_file_and_another_does_not(survey):
    folder, _, _, first = survey
    again, other = made(folder, 1, "again.h5"), made(folder, 2, "other.h5")
    for name in ("flux", "flux_err", "id"):
        np.testing.assert_array_equal(first[name], again[name])
    for name in first["labels"]:
        np.testing.assert_array_equal(first["labels"][name], again["labels"][name])
    assert np.abs(first["flux"] - other["flux"]).max() > 0.01
    np.testing.assert_array_equal(first["labels"]["teff"], other["labels"]["teff"])


def test_each_element_has_the_abundance_of_the_tables(tmp_path):
    labels, _ = tables(tmp_path)
    stars, left = mock_rave.select_covered(
        mock_rave.read_stars(tmp_path / PATHS["labels"], tmp_path / PATHS["photometry"])
    )
    row = labels.iloc[0]
    assert left.total() == 2
    assert stars["mg_m"][0] == pytest.approx(row["MgFe"] + row["FeH"] - row["MH"])
    assert stars["ca_m"][0] == stars["ti_m"][0] == pytest.approx(row["alphaM"])


def test_tables_that_do_not_match_are_one_clear_error(tmp_path):
    _, photometry = tables(tmp_path)
    photometry.iloc[:-1].to_csv(tmp_path / "short.csv", index=False)
    photometry.drop(columns="parallax").to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(UserError, match="has 10 stars, .*short.csv 9: they must be the same"):
        mock_rave.read_stars(tmp_path / PATHS["labels"], tmp_path / "short.csv")
    with pytest.raises(UserError, match="bare.csv has no column parallax; there is phot_g"):
        mock_rave.read_stars(tmp_path / PATHS["labels"], tmp_path / "bare.csv")


def test_0_join_and_the_grid_read_what_was_written(survey, make_config):
    folder = survey[0]
    cfg = make_config({
        "wave.min": 8410.0, "wave.max": 8794.8, "wave.step": 0.4, "labels": ["teff", "al_fe"],
        "grid.labels_csv": str(folder / "rave.csv"),
        "join.databases": [{"path": str(folder / "rave.h5"), "where": "snr > 0"}],
    })  # fmt: skip
    join.join_databases(Run(cfg))
    with h5py.File("data/afgk/0_joined.h5") as h5:
        np.testing.assert_array_equal(h5["spectra/flux"][:], survey[-1]["flux"])
    stars = recipe_stars.read_stars(cfg, recipe_stars.REQUIRED_LABELS, recipe_stars.OPTIONAL_LABELS)
    np.testing.assert_allclose(stars.labels["si_m"], survey[-1]["labels"]["si_m"])
    np.testing.assert_allclose(stars.columns["j_mag"], survey[-1]["labels"]["j_mag"])


def test_the_tables_are_not_overwritten(tmp_path):
    labels = tmp_path / "rave.csv"
    labels.write_text("mine")
    args = {"labels": labels, "photometry": tmp_path / "b.csv", "out": tmp_path / "rave.h5"}
    with pytest.raises(UserError, match="rave.csv would be overwritten, but is read"):
        mock_rave.write_mock_rave(None, SimpleNamespace(seed=1, **args))
    assert labels.read_text() == "mine"
