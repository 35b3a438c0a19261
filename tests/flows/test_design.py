"""The report on one's own net, whole: configured, counted, timed, judged and printed."""

from pathlib import Path

import pytest

from experiments import design, measure
from experiments.suite.compose import compose
from lightning_modules.errors import UserError
from lightning_modules.paper_cost import paper_cost
from tests.flows.faults import Here, in_a_line


@pytest.fixture(autouse=True)
def threads_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_modules.speed.prepare", lambda: None)  # a test's process goes on afterwards
    monkeypatch.setenv("COLUMNS", "160")


def reported(capsys: pytest.CaptureFixture[str], *overrides: str, layers: bool = False) -> str:
    design.report(compose(overrides), layers, rounds=2, seconds=0.001)
    return capsys.readouterr().out


def test_a_net_at_another_width(capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ("arch=mobilenet_v1", "arch.width=0.25")
    text = reported(capsys, *overrides)
    cost = paper_cost(compose(overrides)["arch"])
    assert "mobilenet_v1 (MobileNetV1), one image of 3x224x224, 1000 classes" in text
    assert f"{cost['params']:,}" in text and "median of 2 rounds" in text
    verdicts = [line.split()[1] for line in text.splitlines() if line.startswith("  G")]
    assert verdicts == ["kept", "kept", "kept", "broken"]
    assert "Layers" not in text


def test_layer_by_layer(capsys: pytest.CaptureFixture[str]) -> None:
    text = reported(capsys, "arch=shufflenet_v1", "arch.paper_input=[3,64,64]", layers=True)
    (line,) = [line for line in text.splitlines() if line.startswith("stage2.1.gconv1 ")]
    words = line.split()
    assert words[1:6] == ["1x1,", "3", "groups", "240", "to"] and words[-2:] == ["G1", "G2"]
    assert float(words[-3]) > 0  # milliseconds


def test_it_is_the_data_of_the_tables() -> None:
    arch = compose(("arch=squeezenet", "arch.paper_input=[3,64,64]"))["arch"]
    found, cost = design.described(arch, layers=True, sampled=1, seconds=0.001), paper_cost(arch)
    assert (found["params"], found["macs"]) == (cost["params"], cost["macs"])
    assert sum(layer["access"] for layer in found["layers"]) == found["access"]["layer"]
    assert sum(layer["macs"] for layer in found["layers"]) == found["macs"]
    assert all(layer["ms"] > 0 for layer in found["layers"])


def test_the_command(tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(design, "SECONDS", 0.001)
    answer = here(tmp_path, measure, "arch=squeezenet", "arch.paper_input=[3,64,64]", "rounds=1")
    assert answer.code == 0 and "squeezenet (SqueezeNet), one image of 3x64x64" in answer.out
    line = in_a_line(here(tmp_path, measure, "arch=squeezenet", "data=cifar10"))
    assert line == "error: data=cifar10: without table, a net alone is measured: arch=... and arch.<field>=..."
    line = in_a_line(here(tmp_path, measure, "table=table11", "layers=true"))
    assert line.startswith("error: layers=true: goes with a net of one's own")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("arch.squeeze_ratio=0",), "arch.squeeze_ratio"),
        (("arch.paper_input=[3,4,4]",), r"^arch\.paper_input=\[3, 4, 4\]: too small for SqueezeNet"),
        (("compression=prune",), "^compression=prune: a design is measured as it is built"),
    ],
)
def test_mistakes(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        design.report(compose(overrides), layers=False, rounds=1, seconds=0.001)
