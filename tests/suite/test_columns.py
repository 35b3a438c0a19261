"""What the columns read from a record and how they show it."""

import numpy as np
import pytest

from experiments.suite.columns import column, printed_text
from experiments.suite.paper import table
from lightning_modules.errors import UserError
from tests.suite.records import made


def test_computed_columns_read_the_paper_s_scale() -> None:
    record = made(0, cost={"params": 1_248_424, "macs": 832_667_936})
    assert column("params").value(record) == 1_248_424
    assert column("macs").value(record) == 832_667_936
    assert column("model_mb").value(record) == pytest.approx(4.7624, abs=1e-4)
    assert column("macs_m").value(record) == pytest.approx(832.667936)
    assert column("params").value(made(0, cost={"macs": 1})) is None


def test_computed_columns_of_a_diverged_run_are_known() -> None:
    record = made(0, {"test/top1_acc": 10.0}, status="diverged")
    assert column("params").value(record) == 1_248_424
    assert column("test/top1_acc").value(record) is None


def test_an_error_is_read_from_the_accuracy_and_back() -> None:
    right = np.array([True, False, True, True])
    record = made(0, {"test/top1_acc": 75.0}, per_example={"test/top1_acc": right})
    error = column("test/top1_err")
    assert (error.value(record), error.better, error.sign) == (25.0, "lower", -1)
    values = error.per_example(record)
    assert values is not None and values.tolist() == [0.0, 100.0, 0.0, 0.0]
    assert column("test/top1_acc").value(made(0, {"test/top1_err": 25.0})) == 75.0


def test_a_metric_that_is_no_number_is_no_value() -> None:
    assert column("test/top1_acc").value(made(0, {"test/top1_acc": float("nan")})) is None
    assert column("test/top1_acc").value(made(0, {"test/loss": 1.0})) is None


def test_any_metric_can_be_a_column() -> None:
    found = column("val/sharpness_err")
    assert (found.better, found.kind, found.keys) == ("lower", "trained", ("sharpness_err",))
    assert column("test/decode_ms").kind == "timed"
    assert column("val/top1_acc").label == "Top-1 accuracy (validation)"


def test_a_plain_net_s_file_is_four_bytes_a_parameter() -> None:
    plain = made(0)
    plain.cost["run"] = {"params": 1000, "macs": 2_500_000}
    assert [column(f"file/{name}").value(plain) for name in ("bytes", "ratio", "density")] == [4000, 1, 1]
    assert column("run_macs_m").value(plain) == 2.5
    compressed = made(0, {"file/bytes": 400.0})
    compressed.cost["run"] = plain.cost["run"]
    compressed.config["compression"] = {"steps": [{"method": "prune"}]}
    assert column("file/bytes").value(compressed) == 400
    assert column("file/ratio").value(compressed) is None


def test_the_error_before_compression_is_read_as_the_accuracy() -> None:
    found = column("before/top1_acc")
    assert found.value(made(0, {"before/top1_err": 10.0})) == 90.0
    assert found.label == "Top-1 accuracy (before compression)"
    assert column("file/bytes").label == "File size"


def test_a_printed_accuracy_is_an_error_where_one_asks_for_it() -> None:
    error = column("test/top1_err")
    row = table("xnor_net.table1_alexnet").row("BWN")
    found = error.in_unit(row["top1_acc"], "top1_acc")
    assert found is not None and found == pytest.approx(43.2) and printed_text(found) == "43.2"
    assert error.printed(row) is None, "only where one asks"
    assert error.in_unit(42.78, "top1_err") == 42.78
    assert column("test/top1_acc").in_unit(42.78, "top1_err") == pytest.approx(57.22)


def test_a_latency_is_of_a_speed() -> None:
    found = column("onnx_ms")
    assert (found.of_speed(50.0), found.better, found.batch, found.backend) == (20.0, "lower", 1, "onnx")
    assert column("images_s_b8").of_speed(50.0) == 50.0


@pytest.mark.parametrize("name", ["parms", "test/top1_ac", "tset/top1_acc", "top1_acc", "test/", "/"])
def test_slips_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="unknown column"):
        column(name)


def test_the_paper_s_key() -> None:
    row = table("squeezenet.table3_bypass").row("vanilla")
    assert column("test/top1_acc").printed(row) == "top1_acc"
    assert column("params").printed(row) is None
    assert column("macs_m").printed(table("shufflenet_v1.table5_mobilenet").row("1.0 MobileNet-224")) == "mflops"


def test_a_printed_number_is_brought_to_the_column_s_unit_with_its_digits() -> None:
    torchvision = table("peers.torchvision")
    net, small = torchvision.row("AlexNet"), torchvision.row("ShuffleNet_V2_X0_5")
    macs, params = column("macs_m"), column("params_m")
    assert macs.printed(net) == "gmacs" and params.printed(net) == "params"
    assert printed_text(macs.in_unit(net["gmacs"], "gmacs") or 0) == "714"
    assert printed_text(macs.in_unit(small["gmacs"], "gmacs") or 0) == "40"
    assert printed_text(params.in_unit(net["params"], "params") or 0) == "61.100840"
    assert params.in_unit(4.2, "params_m") == 4.2 and macs.in_unit(None, "gmacs") is None


def test_a_median_is_taken_of_the_metric_s_values() -> None:
    errors = np.array([1.0, 2.0, 9.0])
    record = made(0, {"test/nme_median": 2.0}, per_example={"test/nme": errors})
    found = column("test/nme_median")
    values = found.per_example(record)
    assert values is not None and found.statistic is not None
    assert found.statistic(values[None]).tolist() == [2.0]


def test_text() -> None:
    assert column("params").text(1248424) == "1,248,424"
    assert printed_text(15300) == "15,300"
    assert printed_text(table("deep_compression.table1_summary").row("VGG-16")["ref_top1_err"]) == "31.50"
