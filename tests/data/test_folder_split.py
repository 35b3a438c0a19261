"""Splits of an image folder without a stored list."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from lightning_modules.data.folder_split import hold_out, limited
from lightning_modules.data.listing import Files, listing_of
from lightning_modules.errors import UserError
from tests.data.folders import TRAIN, blank_folder


def files(**counts: int) -> Files:
    names = [(f"train/{name}/{number}.png", label) for label, (name, count) in enumerate(counts.items())
             for number in range(count)]  # fmt: skip
    return Files(tuple(path for path, _ in names), tuple(label for _, label in names))


def test_it_is_the_rule_that_the_configuration_tells(tmp_path: Path) -> None:
    found = listing_of(blank_folder(tmp_path)).train
    _, held = hold_out(found, 0.3, seed=5)
    expected = []
    for name, count in TRAIN.items():
        paths = [path for path in found.paths if path.split("/")[1] == name]
        paths.sort(key=lambda path: hashlib.sha256(f"validation/5/{path}".encode()).hexdigest())
        expected += sorted(paths[: round(0.3 * count)], key=found.paths.index)
    assert list(held.paths) == expected


@pytest.mark.parametrize(
    ("share", "count", "held"), [(0.04, 100, 4), (0.04, 1300, 52), (0.04, 5, 1), (0.9, 5, 4), (0.99, 5, 4), (0.5, 2, 1)]
)
def test_how_many_of_a_class(share: float, count: int, held: int) -> None:
    given = files(a=count, b=50)
    left, out = hold_out(given, share, 0)
    assert Counter(out.labels)[0] == held
    assert Counter(left.labels)[0] == count - held


def test_nothing_is_lost_or_in_both_and_the_order_stays() -> None:
    given = files(a=30, b=20, c=11)
    for left, out in (hold_out(given, 0.3, 0), hold_out(given, 0.3, 1)):
        assert sorted(left.paths + out.paths) == sorted(given.paths)
        for part in (left, out):
            assert [given.labels[given.paths.index(path)] for path in part.paths] == list(part.labels)
            assert list(part.paths) == sorted(part.paths, key=given.paths.index)
    assert hold_out(given, 0.3, 0) != hold_out(given, 0.3, 1)


def test_a_new_file_moves_few_others() -> None:
    _, before = hold_out(files(a=100), 0.2, 0)
    _, after = hold_out(files(a=101), 0.2, 0)
    assert len(set(before.paths) ^ set(after.paths)) <= 2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(UserError, match=rf"data\.validation\.share={share}: must be above 0 and below 1"):
        hold_out(files(a=3), share, 0)


def test_a_class_of_one_image() -> None:
    with pytest.raises(
        UserError, match=r"data\.root: train/b/0\.png is the only image of its class; a class needs two"
    ):
        hold_out(files(a=3, b=1), 0.1, 0)


def test_a_limit_is_spread_over_the_classes() -> None:
    given = files(a=50, b=40, c=30, d=2)
    found = limited(given, 14, 0)
    assert Counter(found.labels) == {0: 4, 1: 4, 2: 4, 3: 2}
    assert list(found.paths) == sorted(found.paths, key=given.paths.index)
    assert limited(given, 14, 0) == found
    assert limited(given, 14, 1) != found
    assert set(limited(given, 12, 0).paths) < set(found.paths)
    assert sorted(Counter(limited(given, 2, 0).labels).values()) == [1, 1]
    assert limited(given, None, 0) == limited(given, 500, 0) == given


def test_what_is_left_of_a_split_is_limited_as_evenly() -> None:
    """The lowest digests were held out; what is left must not be thin in a class for that."""
    left, _ = hold_out(files(**dict.fromkeys("abcdefgh", 60)), 0.2, 0)
    assert Counter(limited(left, 80, 0).labels) == dict.fromkeys(range(8), 10)
