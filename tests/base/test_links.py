"""Links of HDF5 files: those to other files, and of files to themselves, are refused."""

import h5py
import numpy as np
import pytest

from starlabels.base import hdf5, integrity
from starlabels.base.errors import UserError
from starlabels.catalogues import tables
from starlabels.spectra import readers as io
from starlabels.spectra import spectrum


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def elsewhere(kind, h5, other):
    """Add data to an open file that are stored in another one."""
    if kind == "link":
        h5["spectra/flux"] = h5py.ExternalLink(other, "/secret")
    elif kind == "soft":
        h5["door"], h5["spectra/flux"] = (
            h5py.ExternalLink(other, "/"),
            h5py.SoftLink("/door/secret"),
        )
    elif kind == "external":
        h5.create_dataset("spectra/flux", (4, 3), "u1", external=[(other, 0, 12)])
    else:
        layout = h5py.VirtualLayout((4, 3), "f4")
        layout[:] = h5py.VirtualSource(other, "secret", (4, 3))
        h5.create_virtual_dataset("spectra/flux", layout)


@pytest.mark.parametrize("kind", ["link", "soft", "external", "virtual"])
def test_hdf5_that_reads_other_files_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    with h5py.File("secret.h5", "w") as h5:
        h5["secret"] = np.ones((4, 3), "f4")
    with h5py.File("a.h5", "w") as h5:
        elsewhere(kind, h5, "secret.h5")
    with h5py.File("a.h5") as h5:
        assert h5["spectra/flux"][:].any()
    for read in (
        tables.read_table,
        lambda path: list(io.read_spectra(path, spectrum.ReadOptions())),
    ):
        with pytest.raises(
            UserError, match="a.h5 is refused: .* lies in another file, secret.h5"
        ) as error:
            read("a.h5")
        one_line(error)


def test_links_within_a_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["x"] = [1.0, 2.0]
        h5["y"], h5["z"] = h5py.SoftLink("/x"), h5["x"]
        layout = h5py.VirtualLayout(2, "f8")
        layout[:] = h5py.VirtualSource(".", "x", 2)
        h5.create_virtual_dataset("v", layout)
        h5.create_group("loop")["back"] = h5["/"]
    with hdf5.open_hdf5(tmp_path / "a.h5", "") as h5:
        assert all(list(h5[name]) == [1.0, 2.0] for name in "xyzv")


def test_a_virtual_dataset_of_itself_is_refused_and_does_not_end_the_process(tmp_path):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(".", "spectra/flux", (4, 3))
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_virtual_dataset("spectra/flux", layout)
    with (
        pytest.raises(UserError, match="spectra/flux lies in other virtual datasets"),
        hdf5.open_hdf5(tmp_path / "a.h5", "") as h5,
    ):
        h5["spectra/flux"][:]


def test_a_link_to_itself_is_damage_of_one_line(tmp_path):
    with h5py.File(tmp_path / "loop.h5", "w") as h5:
        h5["labels/value"] = h5py.SoftLink("/labels/value")
        with pytest.raises(UserError, match="labels/value cannot be read: make it anew"):
            integrity.check_layout(h5, "grid", "make it anew")


def test_a_table_with_a_link_to_itself_is_one_line(tmp_path):
    with h5py.File(tmp_path / "loop.h5", "w") as h5:
        h5["teff"] = np.arange(5.0)
        h5["logg"] = h5py.SoftLink("/logg")
        h5["nowhere"] = h5py.SoftLink("/absent")
    with pytest.raises(UserError, match="loop.h5 is damaged") as error:
        tables.read_table(tmp_path / "loop.h5")
    assert "\n" not in str(error.value)


def test_texts_of_a_damaged_heap_are_one_line_and_not_an_endless_loop(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as h5:
        h5.attrs["names"] = ["teff", "logg"]
    data = bytearray(path.read_bytes())
    place = data.index(b"GCOL") + 16
    while data[place : place + 2] != b"\0\0":  # up to the free space
        place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
    with hdf5.open_hdf5(path, "") as h5:
        assert list(h5.attrs["names"]) == ["teff", "logg"]
    data[place + 8 : place + 16] = bytes(8)
    path.write_bytes(data)
    message = "a.h5 is damaged, its texts cannot be read: make it anew"
    with pytest.raises(UserError, match=message), hdf5.open_hdf5(path, "make it anew"):
        pass
