"""Names of cells in folders."""

from lkm_tune.study import Cell


def test_a_long_path_makes_a_name_that_a_folder_can_have():
    assert Cell("gin", "qm9/homo", 32, (("depth", 2),)).key == "gin-qm9_homo-32-depth_2"
    keys = {Cell("gin", f"file:/{'x' * 250}/{end}.csv", 32).key for end in "abc"}
    assert len(keys) == 3 and {len(key) for key in keys} == {120}
