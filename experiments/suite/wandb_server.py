"""The W&B server: where it is, whether there is a login for it, whether it can be reached. Asks without starting W&B.

Reads the environment and the files that wandb 0.31 reads. No key is ever part of what is returned.
"""

import configparser
import netrc
import os
import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

DEFAULT = "https://api.forge.coreweave.com"  # of wandb 0.31, which also takes a key for the address of before:
BEFORE = {"api.forge.coreweave.com": "api.wandb.ai"}
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
EXAMPLE = "write it like https://api.wandb.ai"

Endpoint = tuple[str, int]


def address() -> str:
    """WANDB_BASE_URL, else that of W&B's settings files, else wandb's own default. May be malformed, and hold a key."""
    return (os.environ.get("WANDB_BASE_URL") or _setting("base_url") or DEFAULT).rstrip("/")


def has_login() -> bool:
    """Whether W&B would find a key for its server: in the environment, the netrc file or its settings files."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or _setting("api_key"):
        return True
    try:
        server = urlsplit(address()).netloc
        known = netrc.netrc(str(_netrc_file()))
    except (OSError, ValueError, RuntimeError, netrc.NetrcParseError):
        return False
    entries = [known.authenticators(host) for host in (server, BEFORE.get(server)) if host]
    return any(entry and entry[2] for entry in entries)


def unreachable(timeout_s: float = 5.0) -> str | None:
    """Why no TCP connection to the server, or to the proxy on the way to it, can be made in time; None when it can.

    Never raises. Of an address it says host and port alone: a key or a password may stand in the rest.
    """
    try:
        what, endpoint = _first_hop()
    except ValueError as error:
        return str(error)
    where = f"{what}{endpoint[0]}:{endpoint[1]}"
    answers: list[str | None] = []
    # A thread, since looking a name up heeds no timeout.
    look = threading.Thread(target=lambda: answers.append(_problem(endpoint, timeout_s)), daemon=True)
    look.start()
    look.join(timeout_s)
    problem = answers[0] if answers else f"no answer in {timeout_s:g} s"
    return problem and f"{where}: {problem}"


def _problem(endpoint: Endpoint, timeout_s: float) -> str | None:
    try:
        socket.create_connection(endpoint, timeout_s).close()
    except TimeoutError:
        return f"no answer in {timeout_s:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    except (ValueError, OverflowError):  # a name or a port that no network takes
        return "no such address"
    return None


def _first_hop() -> tuple[str, Endpoint]:
    """("proxy " or "", where to connect to). ValueError, fit to be shown, when an address is malformed."""
    url = address()
    server = _endpoint(url)
    scheme = urlsplit(url).scheme if server else ""
    if server is None or scheme not in ("http", "https"):
        raise ValueError(f"WANDB_BASE_URL, or base_url in W&B's settings file, is no address of a server; {EXAMPLE}")
    proxy = None if proxy_bypass(server[0]) else getproxies().get(scheme)
    if not proxy:
        return "", server
    hop = _endpoint(proxy if "://" in proxy else f"http://{proxy}")
    if hop is None:
        raise ValueError(f"{scheme}_proxy in the environment is no address of a proxy; write it like http://proxy:3128")
    return "proxy ", hop


def _endpoint(url: str) -> Endpoint | None:
    """Host and port; None when ``url`` is not the address of a server."""
    try:
        parts = urlsplit(url)
        usual = PORTS[parts.scheme]
        host, port = parts.hostname, parts.port or usual
    except (ValueError, KeyError):
        return None
    # An @ behind the host: what was taken for the host is a piece of a password with a slash in it.
    stray = "@" in f"{parts.path}{parts.query}{parts.fragment}"
    return (host, port) if host and re.fullmatch(r"[\w.:-]+", host) and not stray else None


def _netrc_file() -> Path:
    """$NETRC, else the first that exists of ~/.netrc and ~/_netrc."""
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    usual = Path("~/.netrc").expanduser()
    return usual if usual.exists() else usual.with_name("_netrc")


def _setting(name: str) -> str | None:
    """A value of W&B's settings files; that of the working folder counts more than the user's."""
    here = Path(".wandb" if Path(".wandb").exists() else "wandb")
    for folder in (here, Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")):
        parser = configparser.ConfigParser(interpolation=None)
        with suppress(OSError, RuntimeError, UnicodeDecodeError, configparser.Error):
            parser.read(folder.expanduser() / "settings")
            if value := parser.get("default", name, fallback=None):
                return value
    return None
