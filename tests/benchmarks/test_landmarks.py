"""The cascade's speed: a number above zero, of all the faces."""

import pytest

from experiments.benchmarks import landmarks


@pytest.mark.slow
def test_faces_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "BATCH", 8)
    monkeypatch.setattr(landmarks, "BATCHES", 1)
    with landmarks.sides() as sides:
        assert list(sides) == [landmarks.NAME]
        assert sides[landmarks.NAME]() > 0
