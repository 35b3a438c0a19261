"""Entry points, one verb a file; the only place that knows Hydra and W&B."""

import os

# Two OpenMP threads that spin while another process holds a core run 10-100 times slower.
# Must be set before torch is imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
