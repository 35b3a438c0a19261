"""A user's mistake is one line that says what, where and what to do; nothing is written but that line."""

from pathlib import Path

import pytest

from tests.flows.commands import finished, make, records, start_run, table, verb

MISTAKES = [
    (("arch=sqeezenet",), "did you mean squeezenet?"),
    (("arch.bypas=simple",), "did you mean arch.bypass?"),
    (("arch.bypass=double",), "choose one of none, simple, complex"),
    (("arch.squeeze_ratio=0",), "fire2 would have"),
    (("arch.freq=0",), "choose 1 or more"),
    (("arch.version=2",), "choose one of 1.0, 1.1"),
    (("data=fashon_mnist",), "did you mean fashion_mnist?"),
    (("data.root=/nowhere/at/all",), "data.root=/nowhere/at/all: not a folder"),
    (("data.root=Makefile",), "data.root=Makefile: not a folder"),
    (("data.size=20",), "data.size=20: the images have 28x28 pixels"),
    (("recipe.lr=fast",), "recipe.lr=fast: must be a number"),
    (("recipe.lr=-0.1",), "recipe.lr=-0.1: must be above 0"),
    (("recipe.lrr=0.1",), "did you mean recipe.lr?"),
    (("+recipe.lrr=0.1",), "did you mean recipe.lr?"),
    (("recipe.optimizer=adm",), "choose one of sgd, adamw"),
    (("recipe.batch_size=100000",), "recipe.batch_size=100000: larger than the training split"),
    (("recipe.batch_size=1.5",), "recipe.batch_size=1.5: must be a whole number"),
    (("recipe.augment.flip=2",), "recipe.augment.flip=2: must be true or false"),
    (("seed=-1",), "seed=-1: must be 0 or more"),
    (("budget=smok",), "did you mean smoke?"),
    (("trainer=tpu",), "did you mean gpu?"),
    (("logger.mode=online",), "wandb login"),
    (("budget",), "budget"),
]


@pytest.mark.parametrize(
    ("overrides", "expected"), MISTAKES, ids=lambda value: value[0] if type(value) is tuple else ""
)
def test_a_wrong_run(tmp_path: Path, overrides: tuple[str, ...], expected: str) -> None:
    answer = finished(start_run(tmp_path, "budget=smoke", *overrides))
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert answer.stderr.startswith("error: ") and len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    assert expected in answer.stderr
    assert not records(tmp_path)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("table", (), "table=table3"),
        ("table", ("table=tabel3",), "did you mean table3?"),
        ("table", ("table=table3", "budget=smok"), "did you mean smoke?"),
        ("table", ("table=table3", "seeds=a"), "seeds=a: give whole numbers"),
        ("table", ("table=table3", "seeds=-1"), "give whole numbers from 0"),
        ("table", ("table=table3", "jobs=-1"), "jobs=-1"),
        ("table", ("table=table3", "fresh=maybe"), "fresh=maybe: must be true or false"),
        ("table", ("table=table3", "recipe.lr=fast"), "recipe.lr=fast: must be a number"),
        ("table", ("table=table3", "recipe.lr=0.1,0.2"), "recipe.lr"),
        ("table", ("table=table3", "seed=1"), "seeds=0,1,2"),
        ("plan", ("table=table3", "--verbose"), "arguments are key=value"),
        ("publish", ("table=table99",), "unknown table 'table99'"),
        ("render", ("bugdet=smoke",), "did you mean budget?"),
        ("browse", (), "has no runs yet"),
    ],
    ids=str,
)
def test_a_wrong_verb(tmp_path: Path, name: str, arguments: tuple[str, ...], expected: str) -> None:
    answer = verb(tmp_path, name, *arguments)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert answer.stderr.startswith("error: ") and len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    assert expected in answer.stderr
    assert not records(tmp_path)


def test_a_table_whose_runs_cannot_start_says_why_once(tmp_path: Path) -> None:
    answer = make(tmp_path, "table3", "BUDGET=smoke", "ARGS=data.root=/nowhere")
    assert answer.returncode == 2
    assert (answer.stdout + answer.stderr).count("data.root=/nowhere: not a folder") == 1
    assert "Traceback" not in answer.stdout + answer.stderr
    assert not records(tmp_path)


def test_a_loss_that_is_no_number_is_a_diverged_row(tmp_path: Path) -> None:
    answer = verb(
        tmp_path, "table", "table=table3", "budget=smoke", "logger=none", "recipe.lr=1e30", "recipe.warmup=0.0"
    )
    assert answer.returncode == 0, answer.stderr
    assert "diverged at epoch 1" in answer.stdout
    assert {record["result"]["status"] for record in records(tmp_path).values()} == {"diverged"}
    for row in table(tmp_path)["rows"]:
        assert row["cells"]["test/top1_acc"]["here"] is None
        assert row["cells"]["params"]["here"]["mean"]
        assert "diverged (seed 0)" in row["note"] + str(row["cells"]["test/top1_acc"])
    again = verb(
        tmp_path, "table", "table=table3", "budget=smoke", "logger=none", "recipe.lr=1e30", "recipe.warmup=0.0"
    )
    assert "all 3 runs are done" in again.stdout


def test_a_sweep_without_a_job_is_an_error(tmp_path: Path) -> None:
    answer = finished(start_run(tmp_path, "-m", "experiment=glob(table3/*)", "budget=smoke"))
    assert answer.returncode == 2
    assert answer.stderr.strip().splitlines()[-1].startswith("error: the sweep has no job")


def test_a_sweep_runs_every_row_and_a_job_that_fails_stops_no_other(tmp_path: Path) -> None:
    answer = finished(
        start_run(tmp_path, "-m", "+experiment/table3=glob(*)", "budget=smoke", "recipe.batch_size=64,100000",
                  "budget.images_seen=1024", "logger=none", "trainer.threads=1"),
    )  # fmt: skip
    assert answer.returncode == 1
    assert len(records(tmp_path)) == 3
    assert answer.stderr.count("larger than the training split") == 3 and "Traceback" not in answer.stderr
