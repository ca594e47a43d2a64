"""Spectra are read unchanged from text tables; order, duplicates and fill values are corrected."""

import numpy as np
import pytest
from observed_files import ERROR, FLUX, WAVE, N, assert_spectrum, read_single, write_table


@pytest.mark.parametrize(
    "lines, error",
    [
        ("{w:.3f} {f:.6f}", None),
        ("# star\nwave,flux,error\n{w:.3f},{f:.6f},{e:.6f}", ERROR),
        ("wave_nm; flux; err\n{n:.4f}; {f:.6f}; {e:.6f}", ERROR),
        ("# wavelength (nm)  flux\n{n:.4f}  {f:.6f}", None),
        ("wavelength [micron]\tflux\n{m:.7f}\t{f:.6f}", None),
        ("! no names, three columns\n{w:.3f}   {f:.6f}   {e:.6f}", ERROR),
        ('"id","lambda","flux"\nx1,{w:.3f},{f:.6f}', None),
    ],
)
def test_text_tables_with_all_separators_and_names(tmp_path, lines, error):
    *head, row = lines.split("\n")
    rows = [row.format(w=w, n=w / 10, m=w / 1e4, f=f, e=e) for w, f, e in zip(WAVE, FLUX, ERROR)]
    (tmp_path / "a.txt").write_text("\n".join([*head, *rows, ""]))
    observed = read_single(tmp_path / "a.txt")
    np.testing.assert_allclose(observed.wave, WAVE, atol=1.1e-3)
    np.testing.assert_allclose(observed.flux, FLUX, atol=1e-6)
    assert observed.medium == "air" and (observed.flux_err is None) == (error is None)


def test_text_with_decimal_commas_a_medium_in_a_comment_or_as_ecsv(tmp_path):
    rows = [f"{w:.2f};{f:.6f}".replace(".", ",") for w, f in zip(WAVE, FLUX)]
    (tmp_path / "a.csv").write_text("\n".join(["# wavelengths in vacuum", *rows]))
    assert_spectrum(read_single(tmp_path / "a.csv"), medium="vacuum")
    from astropy.table import QTable

    QTable({"wave": WAVE / 10, "flux": FLUX}, units={"wave": "nm"}).write(tmp_path / "a.ecsv")
    assert_spectrum(read_single(tmp_path / "a.ecsv"))


def test_order_duplicates_gaps_and_fill_values_are_corrected(tmp_path):
    wave, flux, error = WAVE[::-1].copy(), FLUX[::-1].copy(), ERROR[::-1].copy()
    wave[10], error[10], flux[10], flux[9] = wave[9], 2 * error[9], 7.0, 1.0
    wave[20], flux[30], flux[40:43], flux[50], error[60] = np.nan, 1e30, 0.0, 0.0, 0.0
    observed = read_single(
        write_table(tmp_path / "a.fits", {"wave": wave, "flux": flux, "err": error})
    )
    assert len(observed.wave) == N - 2 and (np.diff(observed.wave) > 0).all()
    value = {
        round(w, 3): (f, e) for w, f, e in zip(observed.wave, observed.flux, observed.flux_err)
    }
    assert value[round(wave[9], 3)] == pytest.approx(((4 * 1 + 7) / 5, error[9] * np.sqrt(0.8)))
    masked = [i for i in range(N) if i not in (10, 20) and np.isnan(value[round(wave[i], 3)][0])]
    assert masked == [30, 40, 41, 42, 60]
