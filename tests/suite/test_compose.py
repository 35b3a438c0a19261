"""Configurations of runs, from files and overrides."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.suite import composed, fields, paths
from experiments.suite.compose import compose
from experiments.suite.identity import run_id
from experiments.suite.paths import CONF
from lightning_modules.errors import UserError

EXPERIMENTS = sorted(str(path.relative_to(CONF / "experiment"))[:-5] for path in CONF.glob("experiment/*/*.yaml"))


@pytest.mark.parametrize("budget", ["smoke", "proxy", "paper"])
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_at_every_budget(experiment: str, budget: str) -> None:
    config = compose([f"experiment={experiment}", f"budget={budget}"])
    assert set(config) >= {"arch", "data", "recipe", "compression", "trainer", "budget", "logger", "task", "seed"}
    assert "hydra" not in config
    assert config["budget"]["name"] == budget
    paper = budget == "paper"
    small = {"classification": ("fashion_mnist", "proxy"), "landmarks": ("synthetic_faces", "landmarks")}
    data, recipe = ("imagenet", config["arch"]["name"]) if paper else small[config["task"]]
    assert (config["data"]["name"], config["recipe"]["name"]) == (data, recipe)
    assert config["trainer"]["accelerator"] == ("auto" if paper else "cpu")
    assert run_id(config)


def test_the_experiments_are_what_they_are_called() -> None:
    found = {name: compose([f"experiment=table3/{name}"])["arch"]["bypass"] for name in
             ("vanilla", "simple_bypass", "complex_bypass")}  # fmt: skip
    assert found == {"vanilla": "none", "simple_bypass": "simple", "complex_bypass": "complex"}


def test_the_papers_budget_is_the_papers_experiment() -> None:
    config = compose(["budget=paper"])
    assert (config["recipe"]["lr"], config["recipe"]["batch_size"]) == (0.04, 512)
    assert (config["data"]["size"], config["data"]["num_classes"]) == (227, 1000)
    assert config["budget"] == {
        "name": "paper", "images_seen": None, "train_images": None, "val_images": None, "test_images": None,
        "stem": "paper", "image_size": 227, "narrow": 1,
    }  # fmt: skip


def test_overrides_win_over_the_experiment_and_the_budget() -> None:
    config = compose(
        ["experiment=table3/simple_bypass", "arch.bypass=complex", "budget=smoke", "recipe.lr=0.5", "seed=3"]
    )
    assert (config["arch"]["bypass"], config["recipe"]["lr"], config["seed"]) == ("complex", 0.5, 3)


# Mistakes


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["arch=squeezenett"], "arch=squeezenett: did you mean squeezenet?"),
        (["budget=smok"], "budget=smok: did you mean smoke?"),
        (["budget=zzz"], "budget=zzz: choose one of paper, proxy, smoke"),
        (["experiment=table3/vanila"], "experiment=table3/vanila: did you mean table3/vanilla?"),
        (["arch.bypas=simple"], "arch.bypas: no such field; did you mean arch.bypass?"),
        (["+arch.bypas=simple"], "arch.bypas: no such field; did you mean arch.bypass?"),
        (["recipe.lrr=1"], "recipe.lrr: no such field; did you mean recipe.lr?"),
        (["recipe.augment.flipp=true"], "recipe.augment.flipp: no such field; did you mean recipe.augment.flip?"),
        (["seeed=1"], "seeed: no such field; did you mean seed?"),
        (["+seeed=1"], "seeed: no such field; did you mean seed?"),
        (["+extra.field=1"], "extra: no such field"),
        (["recipe.lr=fast"], "recipe.lr=fast: must be a number"),
        (["recipe.lr=-1"], "recipe.lr=-1.0: must be above 0"),
        (["recipe.optimizer=adam"], "recipe.optimizer=adam: choose one of sgd, adamw"),
        (["recipe.nesterov=1"], "recipe.nesterov=1: must be true or false"),
        (["recipe.batch_size=1.5"], "recipe.batch_size=1.5: must be a whole number"),
        (["recipe.betas=[a,b]"], "recipe.betas"),
        (["recipe=squeezenet", "recipe.clip_norm=tight"], "recipe.clip_norm=tight"),
        (["recipe=squeezenet", "recipe.output_bias=high"], "recipe.output_bias=high"),
        (["budget.train_images=many"], "budget.train_images=many"),
        (["budget=smoke", "budget.train_images=-5"], "budget.train_images=-5"),
        (["recipe.augment.crop_padding=-1"], "recipe.augment.crop_padding=-1"),
        (["budget.images_seen=many"], "budget.images_seen=many"),
        (["budget.images_seen=-5"], "budget.images_seen=-5"),
        (["trainer.threads=some"], "trainer.threads=some"),
        (["seed=abc"], "seed=abc: must be a whole number"),
        (["seed=-1"], "seed=-1: must be 0 or more"),
        (["data.classes=ten"], "data.classes=ten: must be a list"),
        (["nonsense"], "nonsense"),
        (["recipe.lr=0.1,0.2"], "recipe.lr"),
        (["recipe.lr=${nowhere}"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_with_the_nearest_right_word(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as raised:
        compose(overrides)
    message = str(raised.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("overrides", "group", "field"),
    [
        (["recipe.clip_norm=null"], "recipe", "clip_norm"),
        (["budget=smoke", "budget.train_images=null"], "budget", "train_images"),
        (["recipe.output_bias=null"], "recipe", "output_bias"),
    ],
)
def test_what_may_be_off_can_be_switched_off(overrides: list[str], group: str, field: str) -> None:
    assert compose(overrides)[group][field] is None


# Numbers and texts


@pytest.mark.parametrize("text", ["1.1", "'1.1'", '"1.1"'])
def test_a_version_is_text_however_it_is_typed(text: str) -> None:
    assert compose([f"arch.version={text}"])["arch"]["version"] == "1.1"


def test_one_is_one_point_zero() -> None:
    for field in ("recipe.lr", "arch.pct3x3"):
        ids = {run_id(compose([f"{field}={text}"])) for text in ("1", "1.0", "1e0")}
        assert len(ids) == 1
        assert ids != {run_id(compose([]))}


@pytest.mark.parametrize(
    "pair",
    [
        (["recipe=squeezenet", "recipe.clip_norm=1"], ["recipe=squeezenet", "recipe.clip_norm=1.0"]),
        (["recipe.betas=[0,0.5]"], ["recipe.betas=[0.0,0.5]"]),
        (["recipe=squeezenet", "recipe.output_bias=0"], ["recipe=squeezenet", "recipe.output_bias=0.0"]),
    ],
)
def test_the_same_number_is_the_same_run(pair: tuple[list[str], list[str]]) -> None:
    assert run_id(compose(pair[0])) == run_id(compose(pair[1]))


def test_what_is_kept_is_not_shared() -> None:
    compose([])["arch"]["bypass"] = "complex"
    assert compose([])["arch"]["bypass"] == "none"


# What is in a folder of images


def image_folder(root: Path, images: int) -> Path:
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for number in range(images):
                (root / split / label / f"{number}.png").write_bytes(b"image" * number)
    return root


def test_two_folders_are_two_runs_and_a_moved_one_is_the_same(tmp_path: Path) -> None:
    def named(root: Path) -> str:
        return run_id(compose(["data=image_folder", f"data.root={root}"]))

    few, more = image_folder(tmp_path / "few", 2), image_folder(tmp_path / "more", 3)
    before = named(few)
    assert before != named(more)
    assert named(few.rename(tmp_path / "moved")) == before


def test_imagenet_is_itself_without_a_root_and_something_else_with_fewer_images(tmp_path: Path) -> None:
    published = compose(["data=imagenet"])
    assert published["data"]["listing"] is None
    other = compose(["data=imagenet", f"data.root={image_folder(tmp_path / 'few', 2)}"])
    assert len(other["data"]["listing"]) == 64
    assert run_id(other) != run_id(published)


# Values are values


@pytest.mark.parametrize(
    "override",
    ["label='${oc.env:HOME}'", "data.name='${oc.env:HOME}'", "tags=['a${oc.env:HOME}']", "+arch='${hydra:runtime.cwd}'",
     "recipe.lr='${oc.decode:1}'", "data.root='${oc.env:HOME,x}'"],
)  # fmt: skip
def test_a_value_is_never_evaluated(override: str) -> None:
    with pytest.raises(UserError, match=r"values are never evaluated|hydra"):
        compose([override])


def test_a_value_may_be_another_field_s() -> None:
    assert compose(["recipe.weight_decay='${recipe.lr}'"])["recipe"]["weight_decay"] == 0.001


@pytest.mark.parametrize("group", ["arch", "data", "recipe", "budget", "compression"])
@pytest.mark.parametrize("name", ["../up", "/root", "a/b", "..", ".hidden", "", "a b", "x\\ny"])
def test_a_name_leads_nowhere(group: str, name: str) -> None:
    with pytest.raises(UserError, match=rf"{group}\.name="):
        compose([f"{group}.name='{name}'"])


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A conf folder that may be changed."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    monkeypatch.setattr(paths, "CONF", folder)
    composed.contents.cache_clear()
    fields.declared.cache_clear()
    yield folder
    composed.contents.cache_clear()
    fields.declared.cache_clear()


@pytest.mark.parametrize("content", ["arch: {bypass: simple", "a: b: c", "\tarch: 1", "- : {"])
@pytest.mark.parametrize("file", ["experiment/table3/vanilla.yaml", "recipe/proxy.yaml"])
def test_a_file_that_is_no_yaml_is_named_with_its_line(conf: Path, file: str, content: str) -> None:
    (conf / file).write_text(f"# one line\n{content}\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{conf / file}: line [23] is not valid YAML; mend it$"):
        compose(["experiment=table3/vanilla"])


def test_a_file_that_chooses_from_elsewhere_is_refused(conf: Path) -> None:
    (conf / "experiment" / "out.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /arch: ../data/cifar10\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"^arch=\.\./data/cifar10: leads out of conf/arch"):
        compose(["experiment=out"])
