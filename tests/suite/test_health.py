"""Findings: what a check says when it works, and when it does not."""

import shlex
from pathlib import Path

import pytest

from experiments.suite.health import REINSTALL, Finding, commands, count, examined, some
from experiments.suite.paths import ROOT
from lightning_modules.errors import CorruptFileError


def test_a_finding_is_passed_on() -> None:
    finding = Finding("warn", "something", ("do something",))
    assert examined(lambda: finding) is finding


@pytest.mark.parametrize(
    ("error", "what", "advice"),
    [
        (CorruptFileError("conf/a.yaml is wrong,\n mend it"), "conf/a.yaml is wrong, mend it", ()),
        (ModuleNotFoundError("No module named 'yaml'"), "not checked: No module named 'yaml'", (REINSTALL,)),
        (KeyError("mode"), "not checked: KeyError: 'mode'", ()),
        (RecursionError("two\nlines"), "not checked: RecursionError: two lines", ()),
    ],
)
def test_a_check_that_raises_is_a_failure_of_one_line(error: Exception, what: str, advice: tuple[str, ...]) -> None:
    def check() -> Finding:
        raise error

    assert examined(check) == Finding("FAIL", what, advice)


def test_an_interruption_is_not_swallowed() -> None:
    def check() -> Finding:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examined(check)


def test_long_lists_are_cut() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(["a", "b", "c"], most=1) == "a and 2 more"
    assert [count(1, "run"), count(0, "run"), count(2, "copy", "copies")] == ["1 run", "0 runs", "2 copies"]


def test_commands_can_be_typed_in_the_projects_folder() -> None:
    assert commands("rm", [ROOT / "results" / "a"]) == ("rm results/a",)
    (line,) = commands("rm", [Path("/somewhere/it's; here")])
    assert shlex.split(line) == ["rm", "/somewhere/it's; here"]
    lines = commands("rm", [ROOT / str(number) for number in range(10)])
    assert len(lines) == 9 and lines[-1] == "and 2 more: make doctor again"
