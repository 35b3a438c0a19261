"""The landmark table and its verbs as whole commands, at budget smoke with few faces."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faces_made import faces
from tests.flows.commands import finished, records, start, table, verb

SMALL = (
    "budget.train_images=128", "budget.val_images=60", "budget.test_images=60", "budget.images_seen=256",
    "trainer.threads=1", "logger=none",
)  # fmt: skip
ROWS = [
    "level_1", "level_2_article", "level_2_box", "level_1_longer", "level_1_96", "level_2_random", "level_2_true_box",
    "level_2_twice", "cascade_int8", "cascade_int8_layer", "cascade_deep_compression", "level_1_t3",
]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("landmarks")]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    results = tmp_path_factory.mktemp("landmarks")
    command = (sys.executable, "-m", "experiments.table", "table=table12", "budget=smoke", "seeds=0,1", *SMALL)
    answer = finished(start(results, *command), timeout=850)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    yield results


def test_every_row_is_run_with_its_seeds(done: Path) -> None:
    found = table(done, "table12")
    assert [row["row"] for row in found["rows"]] == ROWS
    seeds = {row["row"]: row["cells"]["test/nme"]["here"]["n"] for row in found["rows"]}
    assert seeds == {row: 1 if row in ("level_1_96", "level_1_t3") else 2 for row in ROWS}
    params = {row["row"]: row["cells"]["run_params"]["here"]["mean"] for row in found["rows"]}
    assert params["level_1"] == params["level_2_true_box"] == 264_890 and params["level_1_t3"] == 237_818
    assert params["level_2_box"] == params["level_2_twice"] == params["cascade_int8"] == 529_780
    bytes_ = {row["row"]: row["cells"]["file/bytes"]["here"]["mean"] for row in found["rows"]}
    assert bytes_["level_1"] == 4 * 264_890
    assert bytes_["cascade_deep_compression"] < bytes_["cascade_int8_layer"] <= bytes_["cascade_int8"]
    assert bytes_["cascade_int8"] < bytes_["level_2_box"] / 3
    verdicts = {claim["id"]: claim["here"]["verdict"] for claim in found["claims"]}
    assert verdicts["level-under-1-mb"] == "not replicated" and verdicts["level-t3-under-1-mb"] == "replicated"
    assert verdicts["level-2-beats-level-1"] == "inconclusive"


def test_level_2_begins_with_level_1_of_its_seed(done: Path) -> None:
    found = records(done)
    by_row = {tuple(record["config"]["landmarks"][key] for key in ("crop", "applied", "share", "size")): record for record in found.values()
              if record["provenance"]["seed"] == 1 and not record["config"]["compression"]["steps"]}  # fmt: skip
    level_1, level_2 = by_row["whole", "once", 1.0, 48], by_row["box", "once", 0.7, 48]
    parent = level_2["provenance"]["parent"]
    assert parent == {
        "run_id": level_1["provenance"]["run_id"], "seed": 1, "weights_sha256": level_1["result"]["weights_sha256"],
    }  # fmt: skip
    twice = by_row["box", "twice", 0.7, 48]
    assert twice["provenance"]["parent"]["run_id"] == level_2["provenance"]["run_id"]
    assert twice["provenance"]["level_1"]["run_id"] == level_1["provenance"]["run_id"]
    assert twice["result"]["weights_sha256"] == level_2["result"]["weights_sha256"]
    assert level_2["result"]["per_example"]["test/nme"]["n"] == 60
    assert {"face/yaw", "face/scale", "face/occlusion"} <= set(level_2["result"]["per_example"])


def test_groups_of_faces_and_curves(done: Path) -> None:
    found = table(done, "table12")
    assert len(found["groups"]["heads"]) == 4 + 3 + 3 and sum(found["groups"]["faces"][:4]) == 60
    assert [len(row["here"]["cells"]) for row in found["groups"]["rows"]] == [10] * len(ROWS)
    text = (done / "local" / "tables" / "table12.md").read_text()
    assert "## Groups of test faces" in text and "table12-ced.png" in text
    assert (done / "local" / "tables" / "table12-ced.svg").is_file()
    (first, *_) = found["ced"]["rows"]
    assert first["here"][0] == 0 and all(a <= b for a, b in zip(first["here"], first["here"][1:], strict=False))


def test_all_again_runs_nothing(done: Path) -> None:
    before = {name: record["provenance"]["started_at"] for name, record in records(done).items()}
    answer = verb(done, "table", "table=table12", "budget=smoke", "seeds=0,1", *SMALL)
    assert answer.returncode == 0 and f"all {len(before)} runs are done" in answer.stdout
    assert {name: record["provenance"]["started_at"] for name, record in records(done).items()} == before


def test_one_onnx_file_holds_both_levels(done: Path) -> None:
    from lightning_modules.landmark_onnx import OnnxCascade

    run_id = next(
        record["provenance"]["run_id"] for record in records(done).values()
        if record["config"]["landmarks"]["crop"] == "box" and record["config"]["landmarks"]["applied"] == "once"
        and not record["config"]["compression"]["steps"]
    )  # fmt: skip
    answer = verb(done, "export", f"run={run_id}", "seed=0", "format=onnx", f"path={done / 'cascade.onnx'}")
    assert answer.returncode == 0, answer.stderr
    net = OnnxCascade(done / "cascade.onnx")
    pictures = faces(3, 0, 96).images.transpose(0, 3, 1, 2)  # type: ignore[union-attr]
    assert net(pictures).shape == (2, 3, 5, 2)
    assert str(Path(__file__).parents[2]).encode() not in (done / "cascade.onnx").read_bytes()


def test_published_weights_find_faces_in_photos(done: Path, tmp_path: Path) -> None:
    from experiments import cascade_weights

    results = tmp_path / "results"
    shutil.copytree(done, results)
    run_id = next(
        record["provenance"]["run_id"] for record in records(done).values()
        if record["config"]["landmarks"]["crop"] == "box" and record["config"]["landmarks"]["applied"] == "once"
        and not record["config"]["compression"]["steps"]
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPACT_NETS_RESULTS", str(results))
        written = cascade_weights.publish(run_id, [0, 1])
    assert [path.stat().st_size < 2**20 for path in written] == [True, True]
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.asarray(faces(1, 0, 200).images[0])).save(photos / "one.jpg")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    answer = verb(
        results, "landmarks", f"image={photos / 'one.jpg'}", "box=20,20,150,150", f"out={tmp_path / 'drawn.png'}"
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["size"] == [200, 200] and len(found["level_2"]) == 5
    assert Image.open(tmp_path / "drawn.png").size == (400, 400)
    answer = verb(results, "landmarks", f"image={photos}")
    assert answer.returncode == 1
    assert (
        len(json.loads(answer.stdout)) == 1 and answer.stderr.startswith("skipped: ") and "broken.jpg" in answer.stderr
    )
    assert (results / "local" / "landmarks" / "one.jpg.png").is_file()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPACT_NETS_RESULTS", str(results))
        level_1 = next(
            record["provenance"]["parent"]["run_id"] for record in records(done).values()
            if record["provenance"]["run_id"] == run_id
        )  # fmt: skip
        assert cascade_weights.problem([level_1, run_id]) is None
        assert "not of another-run" in str(cascade_weights.problem(["another-run", run_id]))
    answer = verb(results, "landmarks", f"image={photos / 'none.jpg'}")
    assert answer.returncode == 2 and answer.stderr.startswith("error: image=")
