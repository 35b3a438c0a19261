"""The note on rows whose cost at the run's scale is in another proportion than at the paper's."""

from dataclasses import replace

from experiments.suite import contract, scale
from experiments.suite.record import Record
from tests.suite.records import row


def with_run_macs(records: list[Record], macs: int) -> list[Record]:
    return [replace(record, cost={**record.cost, "run": {"macs": macs}}) for record in records]


def test_only_a_ratio_that_differs_by_more_than_five_percent_is_noted() -> None:
    table = contract.load("table3")
    records = {
        "vanilla": with_run_macs(row("vanilla", [88.0]), 1000),
        "simple_bypass": with_run_macs(row("simple_bypass", [88.0]), 1049),
        "complex_bypass": with_run_macs(row("complex_bypass", [88.0]), 1500),
    }
    found = scale.notes(table, [{}, records])
    assert found == {
        "complex_bypass": "as trained it costs 1.50 times the multiply-adds of Vanilla SqueezeNet, "
        "at the paper's scale 1.20 times"
    }


def test_records_without_both_scales_say_nothing() -> None:
    table = contract.load("table3")
    assert (
        scale.notes(table, [{"vanilla": row("vanilla", [88.0]), "complex_bypass": row("complex_bypass", [88.0])}]) == {}
    )
    assert scale.notes(table, [{}, {}]) == {}
