"""Hours from multiply-adds, and that the page on ImageNet has those that the code gives."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.plan import main as plan
from experiments.suite import costs, hours
from experiments.suite.compose import compose
from experiments.suite.hours import DECODED_PER_S, SUSTAINED_FLOPS, Work, estimate, hours_of, macs_of, markdown, work_of
from experiments.suite.paths import ROOT

PAGE = ROOT / "docs" / "imagenet.md"
BLOCK = re.compile(r"<!-- hours: python -m experiments\.hours -->\n(.*)\n<!-- end of hours -->", re.DOTALL)
SLOW = int(SUSTAINED_FLOPS / 6 / 100)  # multiply-adds of a net of which a GPU trains 100 images a second
WORK = Work(macs=SLOW, epochs=2, trained=720_000, evaluated=108_000)


@pytest.fixture(autouse=True)
def _published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's own published records."""
    for module in (hours, costs):
        monkeypatch.setattr(module, "published", lambda: ROOT / "results" / "published")


def config(*overrides: str) -> dict[str, Any]:
    return compose(("experiment=table3/vanilla", "budget=paper", *overrides))


def test_where_the_gpu_sets_the_pace() -> None:
    one, eight = estimate(WORK, 1, 8), estimate(WORK, 8, 8)
    assert one.computed_per_s == pytest.approx(100, rel=1e-6)
    assert eight.computed_per_s == pytest.approx(800, rel=1e-6)
    assert one.hours == pytest.approx(2 + 0.1, rel=1e-6)  # training at 100 images a second, evaluating at 300
    assert eight.hours == pytest.approx(0.25 + 0.1, rel=1e-6)  # evaluation is not shared


@pytest.mark.parametrize("workers", [0, 1])  # without workers the process itself decodes
def test_where_decoding_sets_the_pace(workers: int) -> None:
    fast = replace(WORK, macs=SLOW // 1000)
    assert estimate(fast, 1, workers).hours == pytest.approx((720_000 + 108_000) / DECODED_PER_S / 3600)
    assert estimate(fast, 4, workers).hours == pytest.approx((720_000 / 4 + 108_000) / DECODED_PER_S / 3600)
    assert estimate(fast, 1, workers).computed_per_s == pytest.approx(100_000, rel=1e-3)


def test_the_work_of_a_row() -> None:
    found = work_of(config())
    assert found is not None
    assert found.macs == 832_667_936
    assert found.epochs == 71 == round(87_040_000 / (1_281_167 * 0.96))
    assert found.trained == 71 * (1_281_167 - 51_247)
    assert found.evaluated == 71 * 51_247 + 50_000
    assert work_of(config("recipe.images_seen=12299200")).epochs == 10  # type: ignore[union-attr]
    assert work_of(config("budget.images_seen=1229920")).epochs == 1  # type: ignore[union-attr]


def test_the_work_of_a_compressed_row_is_its_retraining() -> None:
    """A quarter of 71 epochs in each of two rounds of pruning, and after sharing."""
    found = work_of(config("compression=deep_compression"))
    assert found is not None and found.epochs == 3 * 18


@pytest.mark.parametrize(
    "changed", ["budget.train_images=16", "data.size=64", "arch.squeeze_ratio=0.6", "data=fashion_mnist"]
)
def test_other_work_is_not_guessed(changed: str) -> None:
    assert work_of(config(changed)) is None


@pytest.mark.parametrize(
    ("bypass", "macs"), [("none", 832_667_936), ("simple", 832_667_936), ("complex", 1_183_953_184)]
)
def test_multiply_adds_are_those_of_the_published_record_of_the_net(bypass: str, macs: int) -> None:
    assert macs_of(config(f"arch.bypass={bypass}")["arch"]) == macs


def test_a_net_that_was_only_counted_is_known_too() -> None:
    assert macs_of(compose(("experiment=table1/vgg_16", "budget=paper"))["arch"]) == 15_470_264_320


def test_no_record_or_one_that_cannot_be_read_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hours, costs):
        monkeypatch.setattr(module, "published", lambda: tmp_path)
    assert macs_of(config()["arch"]) is None
    (tmp_path / "records" / "squeezenet-x").mkdir(parents=True)
    (tmp_path / "records" / "squeezenet-x" / "0.json").write_text("{", encoding="utf-8")
    assert macs_of(config()["arch"]) is None


def test_hours_are_of_gpus() -> None:
    assert hours_of(config("trainer=cpu")) is None
    one, eight = hours_of(config("trainer=gpu")), hours_of(config("trainer=ddp"))
    assert one and eight and eight < one < 8 * eight
    assert hours_of(config("trainer=gpu", "trainer.workers=1")) > 5 * one  # type: ignore[operator]


def test_a_plan_marks_the_estimate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wanted = hours_of(config("trainer=ddp"))
    assert plan(["table=table3", "budget=paper", "trainer=ddp"]) == 0
    said = capsys.readouterr().out
    assert f"~ {wanted:.1f} h" in said and "~: on 8 GPUs, from multiply-adds" in said
    assert "time unknown (no record to go by)" in said
    assert plan(["table=table3", "budget=paper", "trainer=cpu"]) == 0
    assert "~" not in capsys.readouterr().out


def test_the_page_has_the_hours_that_the_code_gives() -> None:
    block = BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert block and block[1] == markdown("paper"), "docs/imagenet.md: put in what `python -m experiments.hours` prints"
    rows = [line.split("|")[1:3] for line in markdown("paper").splitlines()[2:]]
    for name in ("vanilla", "simple_bypass", "complex_bypass"):
        assert [" table3 ", f" {label(name)} "] in rows


def label(row: str) -> str:
    published = json.loads((ROOT / "results" / "published" / "tables" / "table3.json").read_text(encoding="utf-8"))
    return next(found["label"] for found in published["rows"] if found["row"] == row)


def test_the_page_says_what_the_code_assumes() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"keeps up {SUSTAINED_FLOPS / 1e12:.0f} TFLOP/s" in text
    assert f"decodes {DECODED_PER_S:.0f} images a second" in text
    assert f"`trainer.workers` ({config('trainer=ddp')['trainer']['workers']} a GPU)" in text
    assert f"a training step costs {['', 'one', 'two', 'three'][hours.PASSES]} forward" in text
