"""Rows of the faces of a data set in one picture, to look at.

python -m experiments.contact_sheet [data=synthetic_faces] [split=train] [first=0] [rows=6] [columns=10] [zoom=1]
                                    [points=0] [out=results/local/contact_sheet.png]

points: 5 or 68 are drawn, 0 are not. Further overrides (data.seed=1, data.root=FOLDER) go to the data set.
"""

from functools import partial
from pathlib import Path
from typing import Any

from experiments.suite import cli
from experiments.suite.compose import compose
from experiments.suite.paths import DATA_CACHE, local, shown
from experiments.suite.progress import View, print_line
from experiments.suite.verb import parse
from lightning_modules.errors import UserError, check_choice

OWN = {"data": "synthetic_faces", "split": "train", "first": 0, "rows": 6, "columns": 10, "zoom": 1, "points": 0,
       "quality": 85, "out": None}  # fmt: skip


def main(arguments: list[str]) -> int:
    own, rest = parse(arguments, OWN, passes_on=True)
    check_choice("points", own["points"], (0, 5, 68))
    for name in ("rows", "columns", "zoom"):
        if own[name] < 1:
            raise UserError(f"{name}={own[name]}: must be 1 or more")
    data = compose([f"data={own['data']}", *rest])["data"]
    from lightning_modules.faces.sheet import sheet

    count = own["first"] + own["rows"] * own["columns"]
    faces = _faces({**data, "points": own["points"] or 5}, own["split"], count)
    if own["first"] >= len(faces):
        raise UserError(f"first={own['first']}: {own['split']} has {len(faces):,} faces, counted from 0")
    picture = sheet(
        faces, range(own["first"], min(count, len(faces))), own["columns"], own["zoom"], bool(own["points"])
    )
    out = Path(own["out"] or local() / "contact_sheet.png")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(out, quality=own["quality"], optimize=True)
    except ValueError as error:
        raise UserError(f"out={out}: {error}; name a .png or .jpg file") from error
    print_line(f"{shown(out)}: {min(count, len(faces)) - own['first']} faces")
    return 0


def _faces(data: dict[str, Any], split: str, count: int) -> Any:
    if data["dataset"] == "SyntheticFaces":
        from lightning_modules.faces.synthetic import of_config

        with View() as view:
            return of_config(data, DATA_CACHE, split, count, said=partial(view.show, data["name"]))
    from lightning_modules.faces.annotated import READERS, annotated_faces

    if data["dataset"] not in READERS:
        raise UserError(f"data={data['name']}: has no faces; choose data=synthetic_faces or a set of annotated photos")
    return annotated_faces(data, split, count)


if __name__ == "__main__":
    cli.call(main)
