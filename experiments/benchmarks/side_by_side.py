"""Rows of a table side by side, a process and a thread a core, against one after another with all cores each."""

import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection

from experiments.benchmarks.rounds import Side
from experiments.suite.provenance import cores

NET = "SqueezeNet 1.1"


@contextmanager
def sides() -> Iterator[Mapping[str, Side]]:
    """Images a second of all rows together, by side. The processes start once and wait for their turn."""
    with ExitStack() as stack:
        alone = [stack.enter_context(_trainer(threads=1)) for _ in range(cores())]
        together = [stack.enter_context(_trainer(threads=cores()))]
        yield {"side by side": lambda: _rate(alone), "one after another": lambda: _rate(together)}


def _rate(trainers: list[Connection]) -> float:
    for trainer in trainers:
        trainer.send("train")
    return sum(trainer.recv() for trainer in trainers)


@contextmanager
def _trainer(threads: int) -> Iterator[Connection]:
    """A process that trains each time it is told to, and answers with its images a second."""
    context = multiprocessing.get_context("spawn")  # a copy of this process would share its threads' state
    here, there = context.Pipe()
    process = context.Process(target=_train, args=(there, threads), daemon=True)
    process.start()
    try:
        here.recv()  # it is ready
        yield here
    finally:
        here.send("")
        process.join()


def _train(connection: Connection, threads: int) -> None:
    from experiments.benchmarks import loops  # imports torch

    config = loops.configuration(loops.NETS[NET])
    config["trainer"]["threads"] = threads
    with loops.results_aside():
        connection.send("ready")
        while connection.recv():
            connection.send(loops.ours(config))
