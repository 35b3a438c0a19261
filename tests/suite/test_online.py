"""Online where there is a login and a way to the server; else a line, or a mistake."""

from typing import Any

import pytest

from experiments.suite import online, wandb_server
from lightning_modules.errors import UserError


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    online._said_reachable.cache_clear()


def logger(mode: str, name: str = "wandb") -> dict[str, Any]:
    return {"name": name, "mode": mode, "project": "p", "entity": None}


def world(monkeypatch: pytest.MonkeyPatch, login: bool, problem: str | None) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(wandb_server, "has_login", lambda: asked.append("login") or login)
    monkeypatch.setattr(wandb_server, "unreachable", lambda: asked.append("server") or problem)
    return asked


@pytest.mark.parametrize("chosen", [logger("offline"), logger("online", name="none")])
def test_who_does_not_want_to_be_online_is_not_asked(chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = world(monkeypatch, login=False, problem="far away")
    assert online.reachable(chosen) == chosen
    assert asked == []


def test_online(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world(monkeypatch, login=True, problem=None)
    assert online.reachable(logger("online")) == logger("online")
    assert capsys.readouterr().out == ""


def test_a_server_that_is_not_there_costs_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = world(monkeypatch, login=True, problem="host:443: connection refused")
    wanted = logger("online")
    assert online.reachable(wanted) == online.reachable(wanted) == logger("offline")
    assert wanted["mode"] == "online"
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and "host:443: connection refused" in said[0] and "make sync" in said[0]
    assert asked.count("server") == 1


def test_without_a_login_it_is_the_user_s_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = world(monkeypatch, login=False, problem=None)
    with pytest.raises(UserError, match=r"logger\.mode=online needs a login: run `.venv/bin/wandb login`"):
        online.reachable(logger("online"))
    assert asked == ["login"]
