"""The W&B server without W&B: the same address and login that W&B finds, and whether anybody answers there."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments import sync
from experiments.suite import wandb_server
from experiments.suite.paths import local
from lightning_modules.errors import UserError

SECRET = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings, login and proxy, in an empty folder."""
    for name in [name for name in os.environ if name.startswith("WANDB") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of somebody who listens on this machine, named as the W&B server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        yield port


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def write_settings(folder: Path, **values: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {value}" for name, value in values.items()]
    (folder / "settings").write_text("\n".join(["[default]", *lines, ""]), encoding="utf-8")


def write_netrc(path: Path, machine: str, password: str = SECRET) -> None:
    path.write_text(f"machine {machine}\n  login user\n  password {password}\n", encoding="utf-8")


# The address


def test_the_default_is_the_one_of_the_wandb_that_is_installed() -> None:
    from wandb.sdk.lib import urls

    assert wandb_server.address() == wandb_server.DEFAULT == urls.DEFAULT_BASE_URL
    for host, before in wandb_server.BEFORE.items():
        assert urls.forge_upstream_url(f"https://{host}") == f"https://{before}"


def test_the_environment_counts_more_than_settings_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(home / ".config" / "wandb", base_url="https://users.example/")
    assert wandb_server.address() == "https://users.example"
    write_settings(Path("wandb"), base_url="https://folders.example")
    assert wandb_server.address() == "https://folders.example"
    monkeypatch.setenv("WANDB_BASE_URL", "https://environments.example/")
    assert wandb_server.address() == "https://environments.example"


def test_the_folder_of_settings_can_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(tmp_path / "elsewhere", base_url="https://there.example/100%")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "elsewhere"))
    assert wandb_server.address() == "https://there.example/100%"


@pytest.mark.parametrize("content", [b"no section\n", b"[default]\nmode = online\n", b"\xff\xfe\x00", b""])
def test_settings_that_cannot_be_read_or_say_nothing_are_left_out(home: Path, content: bytes) -> None:
    write_settings(home / ".config" / "wandb")
    (home / ".config" / "wandb" / "settings").write_bytes(content)
    assert wandb_server.address() == wandb_server.DEFAULT


# The login


def test_without_a_key_there_is_no_login() -> None:
    assert not wandb_server.has_login()


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"])
def test_a_key_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert not wandb_server.has_login()
    monkeypatch.setenv(name, SECRET)
    assert wandb_server.has_login()


def test_a_key_in_the_settings(home: Path) -> None:
    write_settings(home / ".config" / "wandb", api_key=SECRET)
    assert wandb_server.has_login()


@pytest.mark.parametrize("name", [".netrc", "_netrc"])
@pytest.mark.parametrize("machine", ["api.forge.coreweave.com", "api.wandb.ai"])
def test_a_key_in_the_netrc_file(home: Path, name: str, machine: str) -> None:
    write_netrc(home / name, machine)
    assert wandb_server.has_login()


def test_a_key_for_another_server_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netrc(home / ".netrc", "api.wandb.ai")
    monkeypatch.setenv("WANDB_BASE_URL", "https://own.example:8080")
    assert not wandb_server.has_login()
    write_netrc(home / ".netrc", "own.example:8080")
    assert wandb_server.has_login()


def test_netrc_of_the_environment_is_the_one(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netrc(home / ".netrc", "api.wandb.ai")
    monkeypatch.setenv("NETRC", str(tmp_path / "own"))
    assert not wandb_server.has_login()
    write_netrc(tmp_path / "own", "api.wandb.ai")
    (home / ".netrc").unlink()
    assert wandb_server.has_login()


@pytest.mark.parametrize("content", [f"machine api.wandb.ai\n {SECRET}\n", "\0", "machine api.wandb.ai login a\n"])
def test_a_netrc_without_a_key_or_a_broken_one_is_no_login(home: Path, content: str) -> None:
    (home / ".netrc").write_text(content, encoding="utf-8")
    assert not wandb_server.has_login()


def test_the_login_is_what_wandb_finds(home: Path) -> None:
    from wandb.sdk.lib import wbauth

    assert wbauth.read_netrc_auth(host=wandb_server.address()) is None
    write_netrc(home / ".netrc", "api.wandb.ai")
    assert wbauth.read_netrc_auth(host=wandb_server.address()) == SECRET


# The connection


def test_somebody_answers(server: int) -> None:
    assert wandb_server.unreachable() is None


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}/path?key={SECRET}")
    assert wandb_server.unreachable() == f"127.0.0.1:{port}: Connection refused"


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    assert wandb_server.unreachable() == "api.forge.coreweave.com:443: Name or service not known"


def test_a_name_that_takes_for_ever_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        time.sleep(1)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", slow)
    began = time.monotonic()
    assert wandb_server.unreachable(timeout_s=0.1) == "api.forge.coreweave.com:443: no answer in 0.1 s"
    assert time.monotonic() - began < 0.8


def test_a_server_that_does_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    assert wandb_server.unreachable() == "api.forge.coreweave.com:443: no answer in 5 s"


def test_an_answer_of_the_proxy_is_enough(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "https://nowhere.invalid")
    for proxy in (f"http://user:{SECRET}@127.0.0.1:{server}", f"127.0.0.1:{server}"):
        monkeypatch.setenv("https_proxy", proxy)
        assert wandb_server.unreachable() is None


def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:{port}")
    assert wandb_server.unreachable() == f"proxy 127.0.0.1:{port}: Connection refused"


def test_a_server_that_needs_no_proxy(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert "proxy" in str(wandb_server.unreachable())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert wandb_server.unreachable() is None


MALFORMED = [
    SECRET,
    f"https://user:{SECRET}",
    f"https://{SECRET}:99999",
    f"https://user:12/{SECRET}@127.0.0.1",
    f"https://[{SECRET}",
    f"ftp://127.0.0.1/{SECRET}",
    f"socks5://127.0.0.1/{SECRET}",
    f"https://bad host/{SECRET}",
    f"https://{SECRET}\x1b[31m",
    "https://",
]


@pytest.mark.parametrize("address", MALFORMED)
def test_a_malformed_address_is_a_reason_that_tells_no_secret(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", address)
    reason = wandb_server.unreachable(0.5)
    assert reason and reason.startswith("WANDB_BASE_URL, or base_url") and SECRET not in reason
    assert not wandb_server.has_login()


def test_a_name_too_long_for_the_network_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", f"https://{'a' * 70}.example")
    assert str(wandb_server.unreachable()).endswith(":443: no such address")


@pytest.mark.parametrize("proxy", [f"http://user:{SECRET}", f"gopher://127.0.0.1:1/{SECRET}"])
def test_a_malformed_proxy_is_a_reason_that_tells_no_secret(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    reason = wandb_server.unreachable(0.5)
    assert reason and reason.startswith("https_proxy in the environment") and SECRET not in reason


# Uploading, which asks all three before it starts W&B


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The environments in which `wandb sync` was started, without starting it; there is a run to upload."""
    started: list[dict[str, str]] = []

    def start(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        started.append(more["env"])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", start)
    (local() / "wandb" / "offline-run-1").mkdir(parents=True)
    return started


def test_without_a_login_nothing_is_uploaded(uploads: list[dict[str, str]], server: int) -> None:
    with pytest.raises(UserError, match=r"run `\.venv/bin/wandb login` once"):
        sync.main([])
    assert not uploads


def test_without_a_server_nothing_is_uploaded(uploads: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UserError, match=r"cannot be reached \(127\.0\.0\.1:\d+: Connection refused\)"):
        sync.main([])
    assert not uploads


def test_with_both_the_runs_are_uploaded_to_that_server(
    uploads: list[dict[str, str]], home: Path, server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_BASE_URL")
    write_settings(Path("wandb"), base_url=f"http://127.0.0.1:{server}")
    write_netrc(home / ".netrc", f"127.0.0.1:{server}")
    assert sync.main([]) == 0
    assert [(each["WANDB_BASE_URL"], each["WANDB_MODE"]) for each in uploads] == [
        (f"http://127.0.0.1:{server}", "online")
    ]
