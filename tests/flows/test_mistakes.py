"""A user's mistake is one line that says what, where and what to do; exit status 2, and nothing is written but that line.

``python -m experiments.<what is typed>`` must say the line beside it; ``...`` stands for any text. Most are called in
this process, where torch is imported once; a few as a user types them, to see that what is called is what is typed.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import experiments.run
import experiments.table
from experiments.suite.compose import compose
from lightning_modules.errors import UserError
from tests.data.folders import blank_folder, image_folder
from tests.flows.commands import finished, make, records, start_run, table, verb
from tests.in_process import called, its_own_process

FILES = "train-images-idx3-ubyte, ..., packed (.gz) or not"
LAYOUT = "it must hold train/<class>/* and val/<class>/* (or test)"
WIDTHS = "each needs at least one: change arch.base_e, arch.incr_e, arch.pct3x3 or arch.squeeze_ratio"
QUOTES = "not an override; write field=value, a text with any of {}[](),:='\" in quotes"
OPTIONS = "no such option; there are -m, --multirun, --cfg, -c, --resolve, ..."
WHOLE = "give whole numbers from 0 with commas between, such as seeds=0,1,2"

CHOICES = {
    "run arch=sqeezenet": "arch=sqeezenet: did you mean squeezenet?",
    "run data=fashon_mnist": "data=fashon_mnist: did you mean fashion_mnist?",
    "run recipe=prox": "recipe=prox: did you mean proxy?",
    "run recipe=null": "recipe=null: choose one of alexnet, ..., proxy, ..., vgg16",
    "run budget=smok": "budget=smok: did you mean smoke?",
    "run budget=": "budget=: choose one of paper, proxy, smoke",
    "run trainer=tpu": "trainer=tpu: did you mean gpu?",
    "run logger=wand": "logger=wand: did you mean wandb?",
    "run compression=prone": "compression=prone: did you mean prune?",
    "run experiment=table3/vanila": "experiment=table3/vanila: did you mean table3/vanilla?",
    "run arch=../data/imagenet": "arch=../data/imagenet: choose one of alexnet, ..., vgg16",
    "run arch=[squeezenet]": "arch=[squeezenet]: did you mean squeezenet?",
    "run +recipe=proxy": "+recipe: is chosen already; write it without +",
}
FIELDS = {
    "run arch.bypas=simple": "arch.bypas: no such field; did you mean arch.bypass?",
    "run +arch.width=2": "arch.width: no such field; arch has name, net, ...",
    "run +recipe.lrr=0.1": "recipe.lrr: no such field; did you mean recipe.lr?",
    "run seeed=1": "seeed: no such field; did you mean seed?",
    "run +seed=1": "+seed: there is such a field; write it without +",
    "run recipe.lr=fast": "recipe.lr=fast: must be a number",
    "run recipe.lr=null": "recipe.lr=null: must be a number",
    "run recipe.lr=": "recipe.lr=: must be a number",
    "run recipe.batch_size=1.5": "recipe.batch_size=1.5: must be a whole number",
    "run recipe.augment.flip=2": "recipe.augment.flip=2: must be true or false",
    "run recipe.betas=0.9": "recipe.betas=0.9: must be a list",
    "run label=[1]": "label=[1]: must be text",
    "run tags=[{a:1}]": "tags=[{'a': 1}]: each must be a text of 1 to 64 characters",
    "run task=segmentation": "task=segmentation: choose one of classification, landmarks",
    "run seed=-1": "seed=-1: must be 0 or more, and below 4294967296",
    "run seed=4294967296": "seed=4294967296: must be 0 or more, and below 4294967296",
    "run seed=1.5": "seed=1.5: must be a whole number",
    "run seed=a": "seed=a: must be a whole number",
}
GRAMMAR = {
    "run budget": "budget: not an override; write field=value",
    "run =3": "=3: not an override; write field=value",
    "run ~recipe": "~recipe: not an override; write field=value",
    "run recipe.lr={": f"recipe.lr={{: {QUOTES}",
    "run recipe.lr=0.1,0.2": "recipe.lr=0.1,0.2: several values; write one, a list in brackets ([1,2]), ...",
    "run recipe.lr='${nowhere}'": "recipe.lr=${nowhere}: no such field; name one that conf/ has",
    "run label='${oc.env:HOME}'": "label=${oc.env:HOME}: values are never evaluated; only another field may stand in ${}",
    "run --verbose": f"--verbose: {OPTIONS}",
    "run --cfg yaml": "--cfg=yaml: choose one of job, hydra, all",
    "run -m experiment=glob(table3/*)": "the sweep has no job; the rows of a table are '+experiment/table3=glob(*)'",
    "run -m arch=squeezenet,squeezenett": "arch=squeezenett: did you mean squeezenet?",
    "run -m recipe.lr={": f"recipe.lr={{: {QUOTES}",
}
NETS = {
    "run arch.base_e=0": f"fire2 would have (0, 0, 0) filters (squeeze 1x1, expand 1x1, expand 3x3); {WIDTHS}",
    "run arch.squeeze_ratio=0": f"fire2 would have (0, 64, 64) filters (squeeze 1x1, ...); {WIDTHS}",
    "run arch.pct3x3=2": f"fire2 would have (16, -128, 256) filters (squeeze 1x1, ...); {WIDTHS}",
    "run arch.freq=0": "arch.freq=0: fire modules grow every freq modules; choose 1 or more",
    "run arch.dropout=1": "arch.dropout=1.0: must be at least 0 and below 1",
    "run arch.dropout=nan": "arch.dropout=nan: must be a finite number",
    "run arch.version=2": "arch.version=2: choose one of 1.0, 1.1",
    "run arch.bypass=double": "arch.bypass=double: choose one of none, simple, complex",
    "run arch.stem=large": "arch.stem=large: choose one of paper, small",
    "run arch=shufflenet_v1 arch.groups=5": "arch.groups=5: choose one of 1, 2, 3, 4, 8",
    "run arch=shufflenet_v1 arch.scale=0.33": "arch.scale=0.33: stage2 would have 79.2 channels, no multiple of arch.groups=3; the paper's scales are ...",
    "run arch=shufflenet_v2 arch.scale=0.75": "arch.scale=0.75: choose one of 0.5, 1.0, 1.5, 2.0",
    "run arch=mobilenet_v2 arch.width=0": "arch.width=0.0: must be a number above 0",
    "run arch=mobilenet_v1 arch.convolution=dense": "arch.convolution=dense: choose one of separable, full",
    "run arch=peleenet arch.growth_rate=6": "arch.growth_rate=6: must be a multiple of 4, such as the paper's 32",
    "run arch=inception_v3": "data.size=32: images of 32x32 pixels are too small for inception_v3 (...); choose larger ones",
    "run arch.net=SqueezNet": "arch.net=SqueezNet: no such class in lightning_modules/nets; did you mean SqueezeNet?",
    "run arch.memory_format=last": "arch.memory_format=last: choose one of contiguous, channels_last",
    "run arch.paper_input=[3]": "arch.paper_input=[3]: must be [channels, height, width], whole numbers above 0",
    "run arch.name=../../x": "arch.name=../../x: up to 40 letters, digits, '_', '-' and '.' only, for it names folders",
    "run compression.steps=[prune]": "compression.steps[1]: each step is {method: ..., ...}, with one of "
    "distill, low_rank, xnor, prune, share, quantize",
    "run compression.steps=[{method:shrink}]": "compression.steps[1]: method=shrink: choose one of "
    "distill, low_rank, xnor, prune, share, quantize",
}
RECIPES = {
    "run recipe.lr=-0.1": "recipe.lr=-0.1: must be above 0",
    "run recipe.lr=0": "recipe.lr=0.0: must be above 0",
    "run recipe.lr=nan": "recipe.lr=nan: must be a finite number",
    "run recipe.optimizer=adm": "recipe.optimizer=adm: choose one of sgd, adamw, rmsprop",
    "run recipe.schedule=linaer": "recipe.schedule=linaer: choose one of constant, linear, cosine, steps, exponential",
    "run recipe.betas=[0.9]": "recipe.betas=[0.9]: give two numbers from 0 to below 1",
    "run recipe.momentum=1": "recipe.momentum=1.0: must be below 1",
    "run recipe.clip_norm=0": "recipe.clip_norm=0.0: must be above 0",
    "run recipe.output_bias=inf": "recipe.output_bias=inf: must be a finite number",
    "run recipe.label_smoothing=1": "recipe.label_smoothing=1.0: must be below 1",
    "run recipe.augment.crop_padding=32": "recipe.augment.crop_padding=32: must be below data.size=32",
    "run recipe.batch_size=0": "recipe.batch_size=0: must be above 0",
    "run recipe.batch_size=2000": "recipe.batch_size=2000: larger than the training split of 1024 images",
    "run budget.images_seen=0": "budget.images_seen=0: must be 1 or more, or null",
    "run budget=proxy proxy_images=0": "budget.images_seen=0: must be 1 or more, or null",
    "run budget.train_images=0": "budget.train_images=0: must be 1 or more, or null",
}
MACHINES = {
    "run recipe.batch_size=63 trainer.devices=2":
        "recipe.batch_size=63: cannot be shared equally by trainer.devices=2",
    "run trainer.devices=0": "trainer.devices=0: must be 1 or more",
    "run trainer.workers=-1": "trainer.workers=-1: must be 0 or more",
    "run trainer.threads=0": "trainer.threads=0: must be 1 or more, or null",
    "run trainer.precision=fp8": "trainer.precision=fp8: choose one of 32-true, bf16-mixed, 16-mixed",
    "run trainer.accelerator=tpu": "trainer.accelerator=tpu: choose one of auto, cpu, gpu, cuda, mps",
    "run trainer=gpu": "trainer.accelerator=gpu, trainer.devices=1: not on this machine (...); trainer=cpu runs everywhere",
    "run logger.mode=onlin": "logger.mode=onlin: choose one of offline, online",
    "run logger.mode=online": "logger.mode=online needs a login: run `.venv/bin/wandb login`, or use logger.mode=offline",
    "run logger.project=a/b": "logger.project=a/b: 1 to 128 characters, none of them / \\ # ? % :",
}  # fmt: skip
# {folders} is where ``folders`` puts its image folders.
DATA = {
    "run data=imagenet": "data.root: say where ImageNet is, data.root=FOLDER with train/<class>/* and val/<class>/*",
    "run data.root=/nowhere": f"data.root=/nowhere: not a folder; it must hold {FILES}",
    "run data.root=Makefile": f"data.root=Makefile: not a folder; it must hold {FILES}",
    "run data=image_folder data.root=/nowhere": f"data.root=/nowhere: no such folder; {LAYOUT}",
    "run data=image_folder data.root=Makefile": f"data.root=Makefile: not a folder; {LAYOUT}",
    "run data=image_folder data.root={folders}/good/train": f"data.root={{folders}}/good/train: has no train folder; {LAYOUT}",
    "run data=image_folder data.root={folders}/differ":
        "data.root={folders}/differ: train has class folders that val has not: cat",
    "run data=image_folder data.root={folders}/empty":
        "data.root={folders}/empty: train/bee has no images; a class needs some (.jpg, ...)",
    "run data=image_folder data.root={folders}/single":
        "data.root: train/bee/0.png is the only image of its class; a class needs two, ...",
    "run data=image_folder data.root={folders}/good data.num_classes=4":
        "data.num_classes=4: {folders}/good/train has 3 class folders",
    "run data=image_folder data.root={folders}/good data.size=8 recipe.batch_size=4":
        "data.size=8: images of 8x8 pixels are too small for squeezenet (...); choose larger ones",
    "run data=image_folder data.root={folders}/good data.size=300 recipe.batch_size=4":
        "data.size=300: larger than data.resize=256, the shorter side before the crop",
    "run data.num_classes=9": "data.num_classes=9: 10 classes are named, and the labels go up to 9; data.num_classes=10 is right",
    "run data.size=20": "data.size=20: the images have 28x28 pixels; choose 28 or more",
    "run data.size=0": "data.size=0: must be 1 or more",
    "run data.channels=3": "data.mean=[0.286]: must be 3 numbers, one a channel",
    "run data.mean=[nan]": "data.mean=nan: must be a finite number",
    "run data.dataset=CIFAR10": "data.dataset=CIFAR10: cannot be changed in data=fashion_mnist; choose another data",
    "run data.mirrors=http://example.org": "data.mirrors=http://example.org: must be a list",
    "run data.mirrors=[example.org]": "data.mirrors=[example.org]: not an http(s) address such as https://example.org/folder",
    "run data.timeout_s=0": "data.timeout_s=0: must be 1 or more",
    "run data.name=../x": "data.name=../x: up to 40 letters, digits, '_', '-' and '.' only, for it names folders",
    "fetch data=fashion": "data=fashion: did you mean fashion_mnist?",
    "fetch data.root=/nowhere": f"data.root=/nowhere: not a folder; it must hold {FILES}",
    "fetch -v": "-v: not an override; write field=value",
}  # fmt: skip
VERBS = {
    "table": "table: say which, one of table=figure1, table=table1, table=table2, ...",
    "table table=tabel3": "unknown table 'tabel3', did you mean table3?",
    "table table=../../x": "unknown table '../../x', choose one of figure1, table1, table2, ...",
    "table table=table3 budget=smok": "budget=smok: did you mean smoke?",
    "table table=table3 bugdet=smoke": "bugdet: no such field; did you mean budget?",
    "table table=table3 seeds=a": f"seeds=a: {WHOLE}",
    "table table=table3 seeds=-1": f"seeds=-1: {WHOLE}",
    "table table=table3 seeds=4294967296": f"seeds=4294967296: {WHOLE}",
    "table table=table3 jobs=-1": "jobs=-1: must be a whole number from 0",
    "table table=table3 fresh=maybe": "fresh=maybe: must be true or false",
    "table table=table3 seed=1": "seed=1: a table chooses that itself; its seeds are seeds=0,1,2",
    "table table=table3 experiment=table3/vanilla": "experiment=table3/vanilla: a table chooses that itself; ...",
    "table table=table3 recipe.lr=fast": "recipe.lr=fast: must be a number",
    "table table=table3 recipe.lr=0.1,0.2": "recipe.lr=0.1,0.2: several values; write one, ...",
    "table table=table3 --verbose": "--verbose: arguments are key=value; this command has table, budget, seeds, ...",
    "rehearse table=table3 budget=smoke data.size=20": "data.size=20: the images have 28x28 pixels; choose 28 or more",
    "plan": "table: say which, one of table=figure1, table=table1, table=table2, ...",
    "plan table=table3 --verbose": "--verbose: arguments are key=value; this command has table, budget, seeds, jobs",
    "publish table=table99": "unknown table 'table99', did you mean table...?",
    "publish table=table3 replace=perhaps": "replace=perhaps: must be true or false",
    "publish table=table3 seeds=0": "seeds: no such argument; there are table, search, replace",
    "render bugdet=smoke": "bugdet: no such argument; did you mean budget?",
    "render budget=smok": "budget=smok: did you mean smoke?",
    "catalogue table=table3": "table: no such argument; there is none",
    "verify --all": "--all: arguments are key=value; this command has none",
    "browse": "... has no runs yet; make table3 logs some",
}
MISTAKES = {**CHOICES, **FIELDS, **GRAMMAR, **NETS, **RECIPES, **MACHINES, **DATA, **VERBS}


def matches(said: str, expected: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in expected.split("...")), said) is not None


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: what is composed is kept in this process by the name of the results folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folders")
    image_folder(root / "good")
    blank_folder(root / "differ", test={"ant": 1, "bee": 1})
    blank_folder(root / "empty", train={"ant": 2, "bee": 0, "cat": 2})
    blank_folder(root / "single", train={"ant": 2, "bee": 1, "cat": 2})
    return root


@pytest.fixture(autouse=True)
def _as_a_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process would have to itself."""
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(home / "results"))
    monkeypatch.setenv("HOME", str(home))
    for name in ("WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    with its_own_process(monkeypatch):
        yield
    shutil.rmtree(home / "results", ignore_errors=True)  # one test's failure is no other's


def trains(*arguments: Any) -> None:
    raise AssertionError("the mistake was not found")


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    command: str, home: Path, folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(experiments.run, "_recorded", trains)
    monkeypatch.setattr(experiments.table, "_run", trains)
    if command == "run trainer=gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    smoke = " budget=smoke" if command.startswith("run ") and "budget" not in command else ""
    code, out, said = called(command.replace("{folders}", str(folders)) + smoke, monkeypatch, capsys)
    assert code == 2, said
    assert said.startswith("error: ") and said.endswith("\n") and len(said.splitlines()) == 1, said
    assert matches(said.removeprefix("error: ").rstrip("\n"), MISTAKES[command].replace("{folders}", str(folders))), (
        said
    )
    assert not out
    assert not (home / "results").exists()


def test_there_are_enough_of_them() -> None:
    assert len(MISTAKES) > 100


@pytest.mark.parametrize("command", ["run budget=smoke logger=none", "table table=table3 budget=smoke logger=none"])
def test_results_that_are_no_folder(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path / "file"))
    monkeypatch.setattr(experiments.table, "_rehearse", lambda arguments: None)
    code, _, said = called(command, monkeypatch, capsys)
    assert code == 2
    assert said.startswith(f"error: {tmp_path}/file") and "writable" in said and len(said.splitlines()) == 1, said
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("table3", "BUDGET=smok"), "budget=smok: did you mean smoke?"),
        (("table3", "SEEDS=a"), f"seeds=a: {WHOLE}"),
        (("table3", "BUDGET=smoke", "ARGS=recipe.batch_size=100000"), "recipe.batch_size=100000: larger than ..."),
        (("plan", "TABLE=tabel3"), "unknown table 'tabel3', did you mean table3?"),
        (("publish",), "table: say which, one of table=figure1, table=table1, table=table2, ..."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_make_says_it_too(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    answer = make(tmp_path / "results", *arguments)
    assert answer.returncode == 2
    first, *rest = answer.stderr.splitlines()
    assert matches(first, f"error: {expected}")
    assert all(line.startswith("make: ***") for line in rest), rest
    assert "Traceback" not in answer.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", ["run arch=sqeezenet", "run -m recipe.lr={", "fetch data=fashion", "table seeds=a"])
def test_a_process_says_what_the_call_says(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = shlex.split(command)
    answer = verb(tmp_path / "results", name, *arguments)
    assert (answer.returncode, answer.stdout, answer.stderr) == called(command, monkeypatch, capsys)
    assert not (tmp_path / "results").exists()


def test_a_mistake_in_a_row_s_file_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def misspelt(overrides: Any) -> dict[str, Any]:
        if overrides[0] == "experiment=table3/simple_bypass":
            raise UserError("arch=alconv: did you mean allconv?")
        return compose(overrides)

    monkeypatch.setattr("experiments.suite.plan.compose", misspelt)
    code, _, said = called("plan table=table3", monkeypatch, capsys)
    assert code == 2
    assert said == "error: conf/experiment/table3/simple_bypass.yaml: arch=alconv: did you mean allconv?\n"


DIVERGING = ("budget=smoke", "logger=none", "recipe.lr=1e30", "recipe.warmup=0.0")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Two rows of table3 with a batch that is right and one that is not, at a rate at which all diverge."""
    results = tmp_path_factory.mktemp("swept")
    sweep = ("-m", "+experiment/table3=glob(*_bypass)", *DIVERGING, "recipe.batch_size=64,100000", "trainer.threads=1")
    return results, finished(start_run(results, *sweep))


def test_a_sweep_runs_every_row_and_a_job_that_fails_stops_no_other(swept: tuple[Path, Any]) -> None:
    results, answer = swept
    assert answer.returncode == 1
    assert len(records(results)) == answer.stdout.count("diverged at epoch 1") == 2
    (failed,) = [line for line in answer.stderr.splitlines() if line.startswith("failed: ")]
    assert failed.count("batch_size=100000, seed 0") == 2 and "larger than the training split" in failed
    assert "Traceback" not in answer.stderr
    assert not (results / "local" / "sweep").exists()


def test_a_loss_that_is_no_number_is_a_diverged_row(swept: tuple[Path, Any]) -> None:
    results, _ = swept
    assert {record["result"]["status"] for record in records(results).values()} == {"diverged"}
    answer = verb(results, "table", "table=table3", *DIVERGING)
    assert answer.returncode == 0, answer.stderr
    assert "1 of 3 runs to do" in answer.stdout  # the third row's
    for row in table(results)["rows"]:
        assert row["cells"]["test/top1_acc"]["here"] is None
        assert row["cells"]["params"]["here"]["mean"]
        assert "diverged (seed 0)" in row["note"] + str(row["cells"]["test/top1_acc"])
