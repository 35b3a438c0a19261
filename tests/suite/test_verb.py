"""The arguments of the verbs."""

from typing import Any

import pytest

from experiments.suite.verb import parse
from lightning_modules.errors import UserError

OWN = {"table": None, "budget": "proxy", "seeds": [], "fresh": False, "jobs": 0}


def value(argument: str) -> Any:
    values, rest = parse([argument], OWN)
    assert rest == []
    return values[argument.partition("=")[0]]


def test_without_arguments_the_defaults() -> None:
    assert parse([], OWN) == (OWN, [])
    assert parse([], OWN)[0] is not OWN


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("table=table3", "table3"),
        ("table=", None),
        ("table=3", "3"),
        ("budget=smoke", "smoke"),
        ("budget=", "proxy"),
        ("seeds=0", [0]),
        ("seeds=0,1,2", [0, 1, 2]),
        ("seeds=[0,1]", [0, 1]),
        ("seeds=2, 1", [2, 1]),
        ("seeds=1,0,1", [1, 0]),
        ("seeds=", []),
        ("seeds=[]", []),
        ("fresh=1", True),
        ("fresh=0", False),
        ("fresh=true", True),
        ("fresh=False", False),
        ("jobs=2", 2),
    ],
)
def test_values_are_typed_by_their_defaults(argument: str, expected: Any) -> None:
    found = value(argument)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("seeds=a", r"seeds=a: give whole numbers from 0"),
        ("seeds=0,-1", r"seeds=0,-1: give whole numbers from 0"),
        ("seeds=0.5", r"seeds=0\.5: give whole numbers"),
        ("seeds=[0,1", r"seeds=\[0,1: give whole numbers"),
        ("seeds=true", r"seeds=true: give whole numbers"),
        ("seeds=0 1", r"seeds=0 1: give whole numbers"),
        ("fresh=2", r"fresh=2: must be true or false"),
        ("fresh=maybe", r"fresh=maybe: must be true or false"),
        ("jobs=many", r"jobs=many: must be a whole number"),
        ("jobs=1.5", r"jobs=1\.5: must be a whole number"),
        ("jobs=true", r"jobs=true: must be a whole number"),
        ("jobs=-1", r"jobs=-1: "),
        ("jobs={", r"jobs=\{: must be a whole number"),
        ("tabel=table3", r"tabel: no such argument; did you mean table\?"),
        ("zzz=1", r"zzz: no such argument; there are table, budget, seeds, fresh, jobs"),
        ("table3", r"table3: arguments are key=value; this command has table, budget"),
        ("--help", r"--help: arguments are key=value"),
    ],
)
def test_a_mistake_is_named(argument: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}") as raised:
        parse([argument], OWN)
    assert "\n" not in str(raised.value)


def test_what_is_meant_for_the_runs_is_passed_on_in_order() -> None:
    arguments = ["recipe.lr=0.02", "jobs=1", "+arch.more=a=b", "seeds=3", "tabel=x", "arch.bypass="]
    values, rest = parse(arguments, OWN, passes_on=True)
    assert (values["jobs"], values["seeds"]) == (1, [3])
    assert rest == ["recipe.lr=0.02", "+arch.more=a=b", "tabel=x", "arch.bypass="]
    with pytest.raises(UserError, match="key=value"):
        parse(["recipe"], OWN, passes_on=True)


def test_the_last_of_two_wins() -> None:
    assert parse(["jobs=1", "jobs=3"], OWN)[0]["jobs"] == 3


def test_an_empty_value_is_the_default() -> None:
    values, rest = parse(
        ["budget=", "seeds=", "fresh=", "jobs="], {"budget": "proxy", "seeds": [], "fresh": False, "jobs": 0}
    )
    assert values == {"budget": "proxy", "seeds": [], "fresh": False, "jobs": 0}
    assert rest == []
