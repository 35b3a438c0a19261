"""The figures of a table's page: a kind is a file with ``drawings(view)``, which is empty where the table has none.

A new kind is a new file here, named in KINDS.
"""

from experiments.pages.charts import Drawing
from experiments.pages.figures import ced, declared, faces, learning_curves, speed_ratios, trade_off
from experiments.pages.gather import View

KINDS = (declared, trade_off, speed_ratios, ced, faces, learning_curves)


def drawings(view: View) -> list[Drawing]:
    """All figures of a table, in the order of its page."""
    return [drawn for kind in KINDS for drawn in kind.drawings(view)]
