"""Entry points, one verb a file; the only place that knows Hydra and W&B."""

import gc
import os
import warnings

# Two OpenMP threads that spin while another process holds a core run 10-100 times slower.
# Must be set before torch is imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Composing configurations and importing torch make a million objects that stay: looking for garbage among them after each
# 700 new ones, as Python does, takes a tenth of a short command's time.
gc.set_threshold(50_000)

# Lightning's advice wherever SLURM is installed; a run is one task of a job, whoever submits it (docs/cluster.md).
warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used")
