"""What the rows of a table are about."""

from experiments.suite import subjects
from experiments.suite.contract import load
from experiments.suite.net_names import name_of


def test_the_nets_of_a_table() -> None:
    found = subjects.of_table(load("table3"))
    assert [each.arch["bypass"] for each in found.values()] == ["none", "simple", "complex"][: len(found)]
    assert all(each.densities is None and not each.compression["steps"] for each in found.values())
    wider = subjects.of_table(load("table3"), ["arch.squeeze_ratio=0.5"])
    assert all(name_of(wider[row].arch) != name_of(found[row].arch) for row in found)


def test_what_compresses_a_row_and_how_the_paper_did() -> None:
    found = subjects.of_table(load("table2"))
    deep = found["alexnet_deep_compression"]
    assert [step["method"] for step in deep.compression["steps"]] == ["prune", "share"]
    assert isinstance(deep.densities, tuple) and len(deep.densities) == 8
    assert found["alexnet"].densities is None and found["alexnet_svd"].densities == {}
