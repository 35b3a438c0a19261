"""What a sweep's command line means, and what is left to do of it. Nothing is trained."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.suite import compose as composing
from experiments.suite import composed, devices, fields, launch, paths, sweep, sweep_launchers
from experiments.suite.files import write_json
from experiments.suite.launch import Processes
from experiments.suite.paths import CONF
from experiments.suite.store import Run
from experiments.suite.sweep import planned, split
from lightning_modules.errors import UserError
from tests.suite.records import made

SMOKE = ("budget=smoke", "logger=none")


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A conf folder to edit."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    monkeypatch.setattr(paths, "CONF", folder)
    for cached in (composed.contents, fields.declared):
        cached.cache_clear()
    yield folder
    for cached in (composed.contents, fields.declared):
        cached.cache_clear()


def finish(run: Run, **about: Any) -> None:
    write_json(run.record_path, made(run.seed, {"val/top1_err": 10.0}, run_id=run.run_id, **about).to_json())


@pytest.mark.parametrize(
    ("typed", "jobs"),
    [
        (["arch=squeezenet,mobilenet_v1", "seed=0,1"], 4),
        (["arch=glob(shufflenet*)"], 2),
        (["seed=range(0,5)", "recipe.lr=0.1"], 5),
        (["+experiment/table3=glob(*)"], 3),
        (["experiment=table3/vanilla,table3/simple_bypass"], 2),
        (["recipe.betas=[0.9,0.99],[0.8,0.9]"], 2),
        (["arch=squeezenet"], 1),
    ],
)
def test_the_grammar_is_hydra_s(typed: list[str], jobs: int) -> None:
    found, left_out = split(typed)
    assert len(found) == len({tuple(job) for job in found}) == jobs
    assert not left_out
    assert all(len(job) == len(typed) for job in found)


def test_the_last_varies_fastest_and_ranges_have_the_numbers_that_people_mean() -> None:
    found, _ = split(["seed=0,1", "recipe.lr=range(0.1,0.4,step=0.1)"])
    assert found[:4] == [["seed=0", f"recipe.lr={rate}"] for rate in ("0.1", "0.2", "0.3", "0.4")]
    assert found[4] == ["seed=1", "recipe.lr=0.1"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["experiment=glob(table3/*)"], "the sweep has no job"),
        (["arch=glob(nothing*)"], "the sweep has no job"),
        (["recipe.lr=interval(0,1)"], "recipe.lr=interval(0,1): has no end of values"),
        (["seed=range(0,3,step=0)"], "seed=range(0,3,step=0): has no end of values"),
        (["recipe.lr=range(0.1,0.3,step=0.0)"], "recipe.lr=range(0.1,0.3,step=0.0): has no end of values"),
        (["seed=range(0,inf)"], "seed=range(0,inf): has no end of values"),
        (["recipe.lr={"], "recipe.lr={: not an override"),
        (["recipe.lrr=1,2"], "recipe.lrr: no such field; did you mean recipe.lr?"),
        (["arch=squeezenet", "seed=a,b"], "seed=a: must be a whole number"),
    ],
)
def test_a_mistake_is_one_line_and_starts_nothing(typed: list[str], said: str) -> None:
    with pytest.raises(UserError, match="^" + said.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")):
        planned(typed)


def test_rows_that_are_only_measured_are_left_out_of_a_glob_and_trained_by_name() -> None:
    found, left_out = split(["+experiment/table11=glob(mobilenet_v2*)"])
    assert [job[0].partition("=")[2] for job in found] == ["mobilenet_v2_0_15", "mobilenet_v2_0_6"]
    assert "experiment/table11=mobilenet_v2_1_0" in left_out and len(left_out) == 4
    assert len(split(["+experiment/table11=mobilenet_v2_1_0"])[0]) == 1


def test_the_same_run_named_twice_is_one() -> None:
    found = planned(["recipe.lr=0.001,1e-3,0.002", "seed=0,1", *SMOKE])
    assert [(run.label, run.run.seed) for run in found.runs] == [
        ("recipe.lr=0.001", 0), ("recipe.lr=0.001", 1), ("recipe.lr=0.002", 0), ("recipe.lr=0.002", 1),
    ]  # fmt: skip
    assert not any(override.startswith("seed") for run in found.runs for override in run.overrides)


def test_runs_that_are_labelled_alike_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = planned(["label=mine", "recipe.lr=0.001,0.002", *SMOKE]).runs
    assert [each.label for each in runs] == ["mine recipe.lr=0.001", "mine recipe.lr=0.002"]
    monkeypatch.setattr(launch, "POLL_S", 0.0)
    ended: list[int] = []

    class Starter(Processes):
        def start(self, jobs: Any) -> Any:
            return [
                SimpleNamespace(poll=lambda number=number: ended.append(number) or 1) for number, _ in enumerate(jobs)
            ]

        def why(self, going: Any, code: int) -> str:
            return "made"

    alike = [dataclasses.replace(each, label="mine") for each in runs]
    failures = launch.Pool(alike, [devices.Place()] * 2, starter=Starter()).run()
    assert sorted(ended) == [0, 1] and sum(map(len, failures.values())) == 2


def test_a_copy_of_conf_that_somebody_changed_is_named(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = composing.frozen()
    (first / "recipe" / "proxy.yaml").unlink()
    monkeypatch.setenv(paths.FROZEN_CONF, "")  # another command
    with pytest.raises(UserError, match=f"{first.name} has been changed; remove it, it is made again$"):
        composing.frozen()
    assert {path.name for path in first.parent.iterdir()} == {first.name}, "a draft was left"


def test_what_is_finished_is_not_to_do_and_what_failed_is() -> None:
    runs = [each.run for each in planned(["recipe.lr=0.001,0.002,0.003,0.004", *SMOKE]).runs]
    finish(runs[0])
    finish(runs[1], status="diverged")
    finish(runs[2], status="failed")
    assert [each.run for each in planned(["recipe.lr=0.001,0.002,0.003,0.004", *SMOKE]).missing] == runs[2:]


def test_a_finished_sweep_starts_no_process_and_no_torch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Processes, "start", lambda self, jobs: pytest.fail("a process was started"))
    for each in planned(["seed=0,1", *SMOKE]).runs:
        finish(each.run)
    assert sweep.main(["-m", "seed=0,1", *SMOKE]) == 0
    assert "sweep: all 2 runs are done\n" in capsys.readouterr().out


def test_a_combination_that_cannot_be_composed_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Processes, "start", lambda self, jobs: pytest.fail("a process was started"))
    for each in planned(["arch=squeezenet", "arch.bypass=simple", *SMOKE]).runs:
        finish(each.run)
    assert sweep.main(["-m", "arch=squeezenet,mobilenet_v1", "arch.bypass=simple", *SMOKE]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("failed: arch=mobilenet_v1: arch.bypass: no such field; choose one of ")
    assert said.err.count("\n") == 1
    assert "all 1 runs are done" in said.out


def edit(conf: Path) -> None:
    recipe = conf / "recipe" / "proxy.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("lr: 0.001", "lr: 0.5"), encoding="utf-8")


def test_the_runs_get_a_copy_of_conf_as_it_was_when_they_were_composed(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(["arch=squeezenet", *SMOKE])
    first = composing.frozen()
    assert (first / "table" / "table3.yaml").read_bytes() == (conf / "table" / "table3.yaml").read_bytes()
    assert composing.frozen() == first
    assert {path.name[0] for path in first.parent.iterdir()} != {"."}, "a draft was left"
    edit(conf)
    composed._new.clear()
    assert composing.compose(["arch=squeezenet", "seed=5", *SMOKE])["recipe"]["lr"] == 0.001
    monkeypatch.setenv(paths.FROZEN_CONF, "")  # another command
    with pytest.raises(UserError, match="conf/ has changed since this command began"):
        composing.frozen()
    composed.contents.cache_clear()
    assert composing.frozen() != first
    assert "lr: 0.001" in (first / "recipe" / "proxy.yaml").read_text(encoding="utf-8")


def test_what_was_composed_while_conf_was_edited_is_not_kept(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composed, "COMPOSED", tmp_path / "composed")
    composed._new.clear()
    planned(["seed=0", *SMOKE])
    edit(conf)
    planned(["seed=1", *SMOKE])
    composed.remember()
    assert not list((tmp_path / "composed").glob("*"))
    composed.contents.cache_clear()
    assert (
        planned(["seed=1", *SMOKE]).runs[0].run.run_id
        != planned(["seed=1", "recipe.lr=0.001", *SMOKE]).runs[0].run.run_id
    )
    composed.remember()
    assert len(list((tmp_path / "composed").glob("*"))) == 2


def test_a_finished_sweep_copies_no_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for each in planned(["seed=0", *SMOKE]).runs:
        finish(each.run)
    assert sweep.main(["-m", "seed=0", *SMOKE]) == 0
    assert not (tmp_path / "results" / "local" / "conf").exists()


@pytest.mark.parametrize("file", ["recipe/proxy.yaml", "run.yaml", "hydra/launcher/local.yaml"])
@pytest.mark.parametrize("content", [b"# one line\na: [b", b"\xff\xfe\x00"])
def test_a_file_that_is_no_yaml_is_one_line(conf: Path, file: str, content: bytes) -> None:
    (conf / file).write_bytes(content)
    line = "line [23] " if content.startswith(b"#") else ""
    for command in (
        lambda: sweep.main(["-m", "seed=0", *SMOKE]),
        lambda: sweep_launchers.chosen([]) if file != "recipe/proxy.yaml" else fields.declared("recipe", "proxy"),
    ):
        with pytest.raises(UserError, match=rf"^{conf / file}: {line}is not valid YAML; mend it$"):
            command()


@pytest.mark.parametrize(
    ("typed", "name", "jobs"),
    [
        ([], "local", 0),
        (["hydra/launcher=local", "hydra.launcher.jobs=3"], "local", 3),
        (["hydra/launcher=slurm"], "slurm", 0),
        (["hydra/launcher=slurm", "+hydra.launcher.jobs=2"], "slurm", 2),
    ],
)
def test_a_launcher_is_chosen_as_hydra_s_are(typed: list[str], name: str, jobs: int) -> None:
    launcher, rest = sweep_launchers.chosen([*typed, "arch=squeezenet"])
    assert (launcher.name, launcher.jobs, rest) == (name, jobs, ["arch=squeezenet"])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("hydra/launcher=slrum", "hydra/launcher=slrum: did you mean slurm?"),
        ("hydra/launcher=joblib", "hydra/launcher=joblib: did you mean local?|hydra/launcher=joblib: choose one of"),
        ("hydra.launcher.jbos=2", "hydra.launcher.jbos: no such argument; did you mean hydra.launcher.jobs?"),
        ("hydra.launcher.jobs=many", "hydra.launcher.jobs=many: must be a whole number"),
    ],
)
def test_a_slip_in_a_launcher_is_one_line(typed: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        sweep_launchers.chosen([typed])


def test_the_primary_configuration_chooses_the_launcher_of_who_does_not(conf: Path) -> None:
    path = conf / "run.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("override hydra/launcher: local", "override hydra/launcher: slurm"), encoding="utf-8")
    assert sweep_launchers.chosen([])[0].name == "slurm"
    assert sweep_launchers.chosen(["hydra/launcher=local"])[0].name == "local"


@pytest.mark.parametrize(("jobs", "threads", "places"), [(0, 1, 4), (1, 4, 1), (2, 2, 2), (3, 1, 3), (8, 1, 8)])
def test_jobs_share_the_cores(jobs: int, threads: int, places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 4)
    launcher, _ = sweep_launchers.chosen([f"hydra.launcher.jobs={jobs}"])
    found = launcher.places({"accelerator": "cpu", "devices": 1}, runs=100)
    assert len(found) == places
    assert {place.overrides for place in found} == {(f"trainer.threads={threads}",)}
    assert {place.environment["OMP_NUM_THREADS"] for place in found} == {str(threads)}


def test_a_cluster_gets_all_runs_and_is_told_how_many_at_a_time() -> None:
    launcher, _ = sweep_launchers.chosen(["hydra/launcher=slurm"], jobs=3)
    found = launcher.places({"accelerator": "cpu", "devices": 1, "threads": 1, "workers": 0}, runs=40)
    assert (len(found), launcher.at_a_time(found)) == (40, 3)
    assert sweep_launchers.chosen(["hydra/launcher=slurm"])[0].at_a_time(found) == 40


def test_a_record_that_is_seen_late_is_waited_for_where_the_run_ended_well(monkeypatch: pytest.MonkeyPatch) -> None:
    (each,) = planned(["seed=0", *SMOKE]).runs
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            finish(each.run)

    monkeypatch.setattr(launch.time, "sleep", sleep)
    assert launch.left_by(each.run, 1) is None and not looks
    assert launch.left_by(each.run, 0) is not None and len(looks) == 3
    each.run.record_path.unlink()
    assert launch.left_by(each.run, 0) is None and len(looks) == 3 + launch.LATE_LOOKS


def test_while_no_place_is_free_no_lock_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = planned(["seed=range(0,4)", *SMOKE]).runs
    probes: list[Run] = []
    monkeypatch.setattr(Run, "is_busy", lambda self: bool(probes.append(self)))
    monkeypatch.setattr(launch.time, "sleep", lambda seconds: None)
    looks = iter([None] * 100 + [1] * 100)
    process = type("Process", (), {"poll": lambda self: next(looks)})()
    monkeypatch.setattr(Processes, "start", lambda self, jobs: [process for _ in jobs])
    launch.Pool(runs, [devices.Place()]).run()
    assert len(probes) == len(runs)
