"""Spectra are read unchanged from HDF5 of our schema, row by row."""

import h5py
import numpy as np
import pytest
from conftest import write_grid
from observed_files import FLUX, WAVE, N, assert_spectrum, read_single

from starlabels.base import hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.config import paths
from starlabels.spectra.readers import read_spectra
from starlabels.spectra.spectrum import ReadOptions, check_spectrum

DEFAULTS = ReadOptions()


def test_rows_are_read_and_a_bad_row_does_not_stop_the_others(make_config, monkeypatch):
    cfg = make_config()
    path = paths.run_paths(cfg).grid
    write_grid(cfg, 10, star_id=[f"HD {i}" for i in range(10)])
    with h5py.File(path, "r+") as h5:
        flux = h5["spectra/flux"][:]
        h5["spectra/flux"][3], h5["spectra/flux"][4], h5["spectra/flux"][5, :9] = np.nan, 1e30, 1e30
        h5["spectra/flux_err"] = np.full(flux.shape, 0.01, "f4")
        wave = h5["spectra/wave"][:]
    monkeypatch.setattr(hdf5_spectra, "CHUNK_BYTES", 3 * 4 * len(wave))
    observed = list(read_spectra(path, DEFAULTS))
    assert [star.name for star in observed] == [f"{path.name} HD {i}" for i in range(10)]
    for i in (0, 2, 9):
        np.testing.assert_array_equal(observed[i].flux, flux[i])
        check_spectrum(observed[i])
    for i in (3, 4):
        with pytest.raises(UserError, match=f"HD {i}: all .* NaN or masked"):
            check_spectrum(observed[i])
    assert np.isnan(observed[5].flux).sum() == 9
    assert observed[0].wave.tolist() == wave.tolist()
    assert np.all(observed[0].flux_err == np.float32(0.01))
    assert observed[0][4:8] == ("air", cfg.grid.resolving_power, True, True)


def write_rows(path, n=3, flux=None, attributes=None, **datasets):
    """Write a database of the README's layout without optional parts, plus datasets; its path."""
    with h5py.File(path, "w") as h5:
        h5["spectra/wave"] = WAVE
        h5["spectra/flux"] = np.tile(FLUX, (n, 1)) if flux is None else flux
        h5["spectra"].attrs.update(attributes or {})
        for name, data in datasets.items():
            h5[name] = data
    return path


def test_numbers_that_stand_for_missing_labels_are_missing(make_config, capsys):
    cfg = make_config()
    path = paths.run_paths(cfg).grid
    write_grid(cfg, 10)
    with h5py.File(path, "r+") as h5:
        labels = h5["labels/value"][:]
        labels[[2, 5], 1] = -9999
        h5["labels/value"][:] = labels
        name = str(h5["labels/value"].attrs["names"][1])
    stars = list(read_spectra(path, DEFAULTS))
    missing = [i for i, star in enumerate(stars) if np.isnan(star.table[name])]
    assert missing == [2, 5]
    assert f"{name} is -9999 in 2 of 10 rows" in capsys.readouterr().out


def test_minimal_hdf5_makes_no_further_claims(tmp_path):
    observed = list(read_spectra(write_rows(tmp_path / "a.h5"), DEFAULTS))
    assert [star.name for star in observed] == [f"a.h5 row {i}" for i in range(3)]
    assert observed[0][3:8] == (None, "air", None, False, False)
    attributes = {"medium": b"vacuum", "resolving_power": 42000}
    path = write_rows(tmp_path / "b.h5", 2, attributes=attributes, star_id=["HD 1", "HD 1"])
    observed = list(read_spectra(path, DEFAULTS))
    assert [star.name for star in observed] == ["b.h5 HD 1 row 0", "b.h5 HD 1 row 1"]
    assert observed[0][4:8] == ("vacuum", 42000, False, False)
    counts = write_rows(tmp_path / "c.h5", flux=np.tile(np.arange(N) * 10, (1, 1)))
    assert_spectrum(read_single(counts), flux=np.arange(N) * 10)
    options = ReadOptions(medium="air", resolving_power=100.0)
    assert next(read_spectra(path, options))[4:6] == ("air", 100)
