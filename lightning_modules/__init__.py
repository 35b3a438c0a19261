"""Things that compute: nets, data, training. Knows neither Hydra nor W&B nor any table."""

import os
import warnings

# Two OpenMP threads that spin while another process holds a core run 10-100 times slower.
# Must be set before torch is imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# torchmetrics and Lightning still script a few functions on import; users can do nothing about it.
warnings.filterwarnings("ignore", category=FutureWarning, module="torch.jit")
