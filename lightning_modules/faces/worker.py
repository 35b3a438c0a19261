"""A process that renders shards: reads a job a line from standard input, answers a line for each that is done.

python -m lightning_modules.faces.worker    (started by workers.py)
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from lightning_modules.faces import shards
from lightning_modules.faces.render import render
from lightning_modules.faces.workers import Job


def draw(job: Job) -> None:
    """Renders the job's faces and writes the shard."""
    faces = [render(job.seed, job.split, job.first + i, job.size) for i in range(job.faces)]
    points = np.stack([face.points for face in faces])
    attributes = np.stack([face.attributes() for face in faces])
    shards.write(Path(job.folder), job.name, shards.Faces([face.picture for face in faces], points, attributes))


def main() -> None:
    for line in sys.stdin:
        job = Job(**json.loads(line))
        draw(job)
        try:
            print(job.name, flush=True)
        except BrokenPipeError:  # whoever asked is gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return


if __name__ == "__main__":
    main()
