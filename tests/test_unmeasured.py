"""The profiler that measures nothing."""

import pytest

from lightning_modules.unmeasured import Unmeasured


def test_it_lets_everything_through() -> None:
    profiler = Unmeasured()
    with profiler.profile("one"), profiler.profile("another inside"):
        done = True
    assert done
    with pytest.raises(KeyError), profiler.profile("what goes wrong"):
        raise KeyError
    assert profiler.summary() == ""
