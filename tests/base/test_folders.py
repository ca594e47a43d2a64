"""A folder is replaced whole or not at all."""

import pytest

from starlabels.base.files import replace_folder


def test_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with replace_folder(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(RuntimeError), replace_folder(target) as folder:
        (folder / "b").write_text("2")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["a"]
    with replace_folder(target) as folder:
        (folder / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"] and [
        path.name for path in tmp_path.iterdir()
    ] == ["model"]
