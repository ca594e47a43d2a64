"""The commands of the documentation run, and its tables name all that they write."""

import functools
import re

import h5py
import pytest
from conftest import ROOT
from documentation import PAGES, Workplace, find_blocks, find_commands
from one_process import Runner

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """executed(page): the folder in which the commands of a page were run, once."""
    finished = {}
    runner = Runner(ROOT)

    @functools.cache
    def execute(page):
        text = PAGES[page].read_text(encoding="utf-8")
        place = Workplace(tmp_path_factory.mktemp(page), text, finished, runner)
        for line in find_commands(text):
            place.execute(line)
        for block in find_blocks(text, "python"):
            code, output = runner.run(folder=str(place.folder), code=block)
            assert code == 0, f"{page}: {output[-1500:]}"
        return place.folder

    yield execute
    runner.close()


@pytest.fixture(scope="session")
def all_folders(executed):
    """The folders of all pages, all their commands run, and data/nodes."""
    return [*map(executed, PAGES), ROOT / "data/nodes"]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(executed, page):
    executed(page)


def generalise_name(name):
    """The name of a dataset or group as the page has it."""
    name = re.sub(r"^(train|validation|test)(?=/|$)", "PART", name)
    return re.sub(
        r"^windows/\w+$",
        "windows/ELEMENT",
        re.sub(r"^snr[\d_.]+(?=/|$)|^snrinf(?=/|$)", "snrRANGE", name),
    )


def read_page_of_files():
    """{(stage, dataset or group, attribute or "")} on the page of HDF5 files.

    What every file has is ("", attribute, "").
    """
    found = set()
    for title, text in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGES["hdf5"].read_text(encoding="utf-8"), re.M | re.S
    ):
        stages = (
            re.split(r",? ", title.rpartition("stage")[2].removeprefix("s")[1:].strip())
            if "stage" in title
            else [""]
        )
        for row in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
            first, _, *others = (cell.strip() for cell in row.split("|"))
            attributes = re.findall(r"`(\w+)`", others[0]) if len(others) > 1 else []
            names = [""] if first == "the root" else re.findall(r"^`([\w/]+)`$", first)
            if stages == [""]:
                found |= {("", name, "") for name in names}
            else:
                found |= {
                    (stage, name, one)
                    for stage in stages
                    for name in names
                    for one in ("", *attributes)
                }
    return found


def find_written(folders):
    """{(stage, dataset or group, attribute or "")} of all our HDF5 files in folders."""
    found = set()
    for path in {path for folder in folders for path in folder.rglob("*.h5")}:
        with h5py.File(path) as h5:
            if "stage" not in h5.attrs:
                continue  # a user's
            stage = h5.attrs["stage"]
            found |= {(stage, "", one) for one in ("", *h5.attrs)}
            items = []
            h5.visititems(
                lambda name, item, items=items: items.append(
                    (generalise_name(name), list(item.attrs))
                )
            )
            found |= {(stage, name, one) for name, attributes in items for one in ("", *attributes)}
    return found


def merge_databases(found):
    """The same triples, with one name for the stages that write databases: they share a table."""
    databases = {"grid", "survey", "ravelike", "generate"}
    return {("database" if stage in databases else stage, name, one) for stage, name, one in found}


def test_every_dataset_and_attribute_that_is_written_is_on_the_page_and_no_other(all_folders):
    said, written = (
        merge_databases(read_page_of_files()),
        merge_databases(find_written(all_folders)),
    )
    every = {name for stage, name, _ in said if not stage} | {""}
    written = {(stage, name, one) for stage, name, one in written if name or one not in every}
    assert written - said == set()
    assert {one for one in said if one[0] and any(one[1:])} - written == set()


def test_every_figure_that_is_drawn_is_on_the_page_and_no_other(all_folders):
    drawn = {path.name for folder in all_folders for path in folder.glob("figures/*/*.png")}
    drawn = {re.sub(r"_(\d+_\d+|inf|as_they_are)\.png$", "_LOW_HIGH.png", name) for name in drawn}
    drawn = {re.sub(r"^jacobian_(?!zoom)\w+\.png$", "jacobian_SUBSET.png", name) for name in drawn}
    said = set(re.findall(r"`(\w+\.png)`", PAGES["figures"].read_text(encoding="utf-8"))) - {
        "4_one_to_one_100_200.png"
    }
    assert drawn - said == set()
    assert said - drawn <= {
        "trend_mg.png",
        "ablation.png",
        "4_abundance_planes.png",
        "population.png",
        "truth.png",
        "jacobian_SUBSET.png",
    }  # of benchmarks; of [Fe/H] with others; of predict.py with many stars, and with --truth; of
    # many stars
