"""How every verb starts and ends: Hydra's grammar, one line for a user's mistake, an orderly end when interrupted."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from experiments.suite.compose import explain
from experiments.suite.composed import remember
from experiments.suite.interrupts import Interrupted
from experiments.suite.paths import CONF, ROOT
from experiments.suite.store import Busy
from lightning_modules.errors import UserError

USER_ERROR, BUSY = 2, 75
LATEST_S = 9.0  # a command that was asked to stop ends by then, whatever it still waits for


def call(main: Callable[[list[str]], int]) -> None:
    """Runs a verb and exits: 0 done, 1 something failed, 2 the user's mistake, 75 busy, 130 or 143 interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        code = main(sys.argv[1:])
        remember()
    except UserError as error:
        code = _say(f"error: {error}", USER_ERROR)
    except Busy as error:
        code = _say(f"busy: {error}", BUSY)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _say(f"error: {where}{error.strerror or error}; make it readable and writable, or make room", USER_ERROR)
    except Interrupted as interrupted:
        code = _interrupted(interrupted.signal)
    sys.exit(code)


def again() -> str:
    """The command that goes on with what this one did, for a shell."""
    specification = sys.modules["__main__"].__spec__
    module = specification.name if specification else "experiments.run"
    python = Path(sys.executable)
    start = str(python.relative_to(ROOT)) if python.is_relative_to(ROOT) else str(python)
    overrides = [
        argument for argument in sys.argv[1:] if not argument.startswith("fresh=") and not argument.endswith("=")
    ]
    return shlex.join([start, "-m", module, *overrides])


def _say(line: str, code: int) -> int:
    print(line, file=sys.stderr, flush=True)
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    deadline = threading.Timer(LATEST_S, lambda: os._exit(_interrupted(number)))
    deadline.daemon = True
    deadline.start()
    raise Interrupted(number)


@cache
def _interrupted(number: int) -> int:
    """Says how to go on, once."""
    return _say(f"interrupted: to go on from the last finished epoch: {again()}", 128 + number)


def hydra_main(config_name: str, task: Callable[[Any], Any], arguments: Sequence[str]) -> None:
    """Hydra's own entry point (overrides, -m, --cfg, --help), with its errors as UserErrors."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # the original exception, not Hydra's summary of it
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    sys.argv = [sys.argv[0], *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)()
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(explain(error)) from error
