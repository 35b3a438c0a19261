"""What is measured is the paper's AlexNet, and both coders give back what they were given."""

import numpy as np
import pytest

from experiments.benchmarks import coding
from experiments.suite import paper


def rows() -> list[dict]:
    return [dict(row) for row in paper.table(coding.TABLE).rows if row["layer"] != "total"]


def test_a_drawn_layer_has_the_papers_density_and_bits() -> None:
    row = next(row for row in rows() if row["layer"] == "conv3")
    form = coding.drawn(row, np.random.default_rng(0))
    positions = form.positions
    assert positions is not None
    assert form.shape == (885_000,)
    assert len(positions) / 885_000 == pytest.approx(0.35, rel=0.01)
    assert (positions.diff() > 0).all()
    assert int(positions[-1]) < 885_000
    assert len(form.codebook) == 255
    assert 0 <= int(form.codes.min()) < int(form.codes.max()) == 254
    values = form.codebook[form.codes]
    assert float(values.abs().min()) == pytest.approx(0.935, abs=0.03)  # 35 % of normal numbers are further from zero
    assert float(values.mean()) == pytest.approx(0, abs=0.02)


def test_both_coders_give_back_what_they_were_given() -> None:
    symbols = np.random.default_rng(0).integers(0, 32, 3000) // 3
    assert coding.ours(symbols).tolist() == coding.dahuffmans(symbols.tolist()) == symbols.tolist()


def test_each_side_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [row | {"weights": row["weights"] // 1000} for row in rows()]
    monkeypatch.setattr(coding, "SLICE", 2000)
    monkeypatch.setattr(coding.paper, "table", lambda pointer: type("Table", (), {"rows": few}))
    with coding.sides() as sides:
        measured = {name: side() for name, side in sides.items()}
    assert list(measured) == [
        "encode (s)",
        "decode (s)",
        "memory",
        "payload/entropy",
        "codes/s",
        "dahuffman (codes/s)",
    ]
    assert all(value > 0 for value in measured.values())
    assert 1 <= measured["payload/entropy"] < 1.05
