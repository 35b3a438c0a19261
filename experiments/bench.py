"""How fast the project is: `make bench`. Needs an idle machine, some minutes.

python -m experiments.bench rounds=5 steps=0 publish=false

``steps``: of training in each round; 0 for an epoch, which is what counts. Fewer show that it works, and are not published.
Written to results/local/bench; ``publish=true`` adds a line to results/published/bench.jsonl, the history.
"""

import json
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.benchmarks import commands, side_by_side, sweeps
from experiments.benchmarks.rounds import interleaved, ratio, repeated, spread
from experiments.suite import cli, provenance
from experiments.suite.devices import hide_gpus
from experiments.suite.files import write_json, write_text
from experiments.suite.paths import local, published, shown
from experiments.suite.progress import print_line
from experiments.suite.verb import parse
from lightning_modules.errors import UserError

OWN = {"rounds": 5, "steps": 0, "publish": False}

# What is asked for: a ratio of at least so much; at most so many seconds, or times as much.
AT_LEAST = {
    "ours/bare, SqueezeNet 1.1": 0.95,
    "ours/bare, a net three times lighter": 0.95,
    "ours/usual, a net three times lighter": 1.2,
    "side by side/one after another": 1.35,
    "ours/stock, contiguous, MobileNetV2": 1.8,
    "ours/dahuffman, AlexNet": 30,
    "8 smoke runs, side by side/one after another": 1.6,
    "cascade, both levels (faces/s)": 300,
}
AT_MOST = {
    "start to first step": 10.0,
    "make table3, nothing to do": 5.0,
    "make tables": 2.0,
    "plan of 201 finished runs": 3.0,
    "sweep of 200 finished runs": 15.0,
    "encode (s), AlexNet": 20.0,
    "decode (s), AlexNet": 5.0,
    "memory, AlexNet": 4.0,
    "payload/entropy, AlexNet": 1.03,
}


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    if own["rounds"] < 1:
        raise UserError(f"rounds={own['rounds']}: measure at least once, rounds=5")
    if own["steps"] and own["publish"]:
        raise UserError(f"steps={own['steps']}: what is published trains an epoch; leave steps or publish out")
    hide_gpus()  # as a run does that trains on the CPU
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance.commit(),
        "machine": provenance.machine(),
        "packages": provenance.packages(),
        "rounds": own["rounds"],
        "measured": _commands(own["rounds"])
        | _side_by_side(own["rounds"])
        | _loops(own["rounds"], own["steps"])
        | _tiny_maps(own["rounds"])
        | _coding(own["rounds"])
        | _sweeps(min(own["rounds"], 3))
        | _landmarks(own["rounds"]),
    }
    path = local() / "bench" / f"{found['at'].replace(':', '')}.json"
    write_json(path, found)
    _show(found["measured"])
    print_line(f"written to {shown(path)}")
    if own["publish"]:
        _publish(found)
    return 0


def _loops(rounds: int, steps: int) -> dict[str, Any]:
    from experiments.benchmarks import loops  # imports torch, which takes seconds

    measured: dict[str, Any] = {}
    for net in loops.NETS:
        print_line(f"training {net} on one core, images/s")
        found = repeated(lambda number, net=net: loops.one_round(net, steps or loops.STEPS), rounds, print_line)
        measured |= {f"{side}, {net} (images/s)": spread(values) for side, values in found.items()}
        measured |= {f"ours/{side}, {net}": ratio(found["ours"], found[side]) for side in ("bare", "usual")}
        measured[f"multiply-adds, {net}"] = {"median": loops.macs(net)}
    return measured


def _tiny_maps(rounds: int) -> dict[str, Any]:
    from experiments.benchmarks import depthwise  # imports torch

    print_line("training MobileNetV2 on one thread, with our convolutions and PyTorch's, images/s")
    with depthwise.sides() as sides:
        found = interleaved(sides, rounds, print_line)
    return {f"{side}, MobileNetV2 (images/s)": spread(values) for side, values in found.items()} | {
        f"ours/{side}, MobileNetV2": ratio(found["ours"], found[side]) for side in ("stock", "stock, contiguous")
    }


def _coding(rounds: int) -> dict[str, Any]:
    from experiments.benchmarks import coding  # imports torch

    print_line("coding AlexNet's weights, pruned and shared")
    with coding.sides() as sides:
        found = interleaved(sides, rounds, print_line)
    return {f"{side}, AlexNet": spread(values) for side, values in found.items()} | {
        "ours/dahuffman, AlexNet": ratio(found["codes/s"], found["dahuffman (codes/s)"])
    }


def _side_by_side(rounds: int) -> dict[str, Any]:
    print_line("rows side by side, and one after another, images/s of all")
    with side_by_side.sides() as sides:
        found = interleaved(sides, rounds, print_line)
    together, alone = found.values()
    return {f"{side} (images/s)": spread(values) for side, values in found.items()} | {
        "side by side/one after another": ratio(together, alone)
    }


def _commands(rounds: int) -> dict[str, Any]:
    print_line("commands, seconds")
    with commands.sides() as sides:
        return {name: spread(values) for name, values in interleaved(sides, rounds, print_line).items()}


def _sweeps(rounds: int) -> dict[str, Any]:
    print_line("sweeps, seconds")
    with sweeps.sides() as sides:
        found = interleaved(sides, rounds, print_line)
    together, alone, finished = found
    of_eight = {f"8 smoke runs, {side} (s)": spread(found[side]) for side in (together, alone)}
    speed = {"8 smoke runs, side by side/one after another": ratio(found[alone], found[together])}
    return {**of_eight, **speed, finished: spread(found[finished])}


def _landmarks(rounds: int) -> dict[str, Any]:
    from experiments.benchmarks import landmarks  # imports torch

    print_line("landmarks of faces, all threads")
    with landmarks.sides() as sides:
        return {name: spread(values) for name, values in interleaved(sides, rounds, print_line).items()}


def _show(measured: dict[str, Any]) -> None:
    view = Table("what", "median", "lowest", "highest", "asked", box=None, pad_edge=False)
    for name, numbers in measured.items():
        low, high = numbers.get("low"), numbers.get("high")
        ends = ["" if end is None else f"{end:,.4g}" for end in (low, high)]
        view.add_row(name, f"{numbers['median']:,.4g}", *ends, asked(name, numbers["median"]))
    Console().print(view)


def asked(name: str, value: float) -> str:
    """What is asked of a measurement, and whether it was met; empty where nothing is."""
    if name in AT_LEAST:
        return f"at least {AT_LEAST[name]:g}: {'met' if value >= AT_LEAST[name] else 'NOT MET'}"
    if name in AT_MOST:
        return f"at most {AT_MOST[name]:g}: {'met' if value <= AT_MOST[name] else 'NOT MET'}"
    return ""


def _publish(found: dict[str, Any]) -> None:
    """One line: when, of what, where, and the medians."""
    path = published() / "bench.jsonl"
    medians = {name: float(f"{numbers['median']:.4g}") for name, numbers in found["measured"].items()}
    history = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_text(path, history + json.dumps({**found, "measured": medians}) + "\n")
    print_line(f"a line added to {shown(path)}")


if __name__ == "__main__":
    cli.call(main)
