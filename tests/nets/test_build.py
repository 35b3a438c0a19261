"""Nets from configurations."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from experiments.suite.paths import CONF, ROOT
from lightning_modules import nets
from lightning_modules.errors import UserError
from lightning_modules.nets.build import build_net, check_images
from lightning_modules.nets.squeezenet import SqueezeNet


def conf(group: str, name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))


TRUNKS = ("channel_ratio", "element_wise", "fragments", "group_convolutions")  # timed, never trained
ARCHS = sorted(path.stem for path in (CONF / "arch").glob("*.yaml") if path.stem not in TRUNKS)
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))


LEAST = {"alexnet": 63, "inception_v3": 75}  # pixels of an image; the others take all that come here


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("arch", ARCHS)
def test_an_architecture_takes_the_images_of_a_data_set_or_says_that_they_are_too_small(arch: str, data: str) -> None:
    found = conf("data", data)
    described, classes = conf("arch", arch), found["num_classes"] or 10
    size = found["size"] if isinstance(found["size"], int) else described["paper_input"][1]
    with torch.device("meta"):
        net = build_net(described, classes, found["channels"])
    if size >= LEAST.get(arch, 0):
        check_images(net, found["channels"], size, classes, arch)
    else:
        with pytest.raises(UserError, match=f"data.size={size}: images of .* pixels are too small for {arch} "):
            check_images(net, found["channels"], size, classes, arch)
    assert net.training


@pytest.mark.parametrize(("size", "fits"), [(17, True), (16, False)])
def test_a_net_that_pads_would_halve_one_pixel(size: int, fits: bool) -> None:
    """17 px lead to maps of 9, 5, 3, 2, 1; 16 px to 8, 4, 2, 1, and what a stride of 2 makes of one pixel is nothing new."""
    with torch.device("meta"):
        net = build_net(conf("arch", "mobilenet_v2"), 10, 1)
    if fits:
        check_images(net, 1, size, 10, "mobilenet_v2")
    else:
        with pytest.raises(UserError, match=r"too small for mobilenet_v2 \(a layer of stride 2 gets a map of 1x1\)"):
            check_images(net, 1, size, 10, "mobilenet_v2")


@pytest.mark.parametrize("arch", ARCHS)
def test_the_arguments_reach_the_net(arch: str) -> None:
    with torch.device("meta"):
        plain = build_net(conf("arch", arch), 10, 1)
        other = build_net(conf("arch", arch), 12, 3)
    assert sum(p.numel() for p in plain.parameters()) < sum(p.numel() for p in other.parameters())


def test_a_field_of_the_configuration_is_an_argument_of_the_class() -> None:
    with torch.device("meta"):
        net = build_net({**conf("arch", "squeezenet"), "bypass": "complex", "version": "1.1"}, 1000, 3)
        expected = SqueezeNet("1.1", "complex")
    assert {name: p.shape for name, p in net.named_parameters()} == {
        name: p.shape for name, p in expected.named_parameters()
    }


@pytest.mark.parametrize(("wrong", "hint"), [("SqueezNet", "did you mean SqueezeNet"), ("Zzz", "choose one of ")])
def test_an_unknown_class(wrong: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint) as raised:
        build_net({"net": wrong}, 10, 1)
    assert f"arch.net={wrong}" in str(raised.value)
    assert "SqueezeNet" in str(raised.value)


def test_an_unknown_argument() -> None:
    with pytest.raises(UserError, match=r"arch\.bypas: SqueezeNet has no such argument; it has version, bypass"):
        build_net({"net": "SqueezeNet", "bypas": "simple"}, 10, 1)


def test_a_refused_value_names_its_field() -> None:
    with pytest.raises(UserError, match=r"arch\.bypass=round: choose one of none, simple, complex"):
        build_net({"net": "SqueezeNet", "bypass": "round"}, 10, 1)


def test_only_nets_are_offered() -> None:
    """A net's parts (a fire module, a bypass) are no architectures."""
    for name, module in nets.classes().items():
        with torch.device("meta"):
            build_net({"net": name}, 10, 128 if module == "guidelines" else 3)


def test_a_name_that_is_no_net() -> None:
    with pytest.raises(AttributeError, match="Zzz"):
        _ = nets.Zzz


def fresh(code: str, path: Path | None = None) -> list[str]:
    """What a new process prints, by lines."""
    lines = f"import sys\n{code}"
    answer = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def test_a_net_is_imported_when_it_is_asked_for_and_no_other() -> None:
    listed = "print(*sorted(name for name in sys.modules if name.startswith('lightning_modules.nets.')))"
    found = fresh(
        "import lightning_modules.nets\n"
        f"{listed}\nprint('torch' in sys.modules)\n"
        f"from lightning_modules.nets import SqueezeNet\nprint(SqueezeNet.__name__)\n{listed}"
    )
    assert found == ["False", "SqueezeNet", "lightning_modules.nets.squeezenet"]


def test_a_second_net_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__init__.py").write_text(Path(nets.__file__ or "").read_text(encoding="utf-8"), encoding="utf-8")
    body = "(nn.Module):\n    def __init__(self, width=1, num_classes=1000):\n        pass\n"
    block = "class Block(nn.Module):\n    pass\n"
    (tmp_path / "one.py").write_text(f"from torch import nn\n\n{block}\nclass One{body}", encoding="utf-8")
    (tmp_path / "two.py").write_text(f"import nn_that_is_missing as nn\n\n\nclass Two{body}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path.parent)
    package = __import__(tmp_path.name)
    assert package.classes() == {"One": "one", "Two": "two"}
    assert package.One.__name__ == "One"
    assert f"{tmp_path.name}.two" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        _ = package.Two
