"""A profiler that measures nothing, and takes less time for it than Lightning's own."""

from contextlib import AbstractContextManager, nullcontext

from pytorch_lightning.profilers import PassThroughProfiler

_NOTHING = nullcontext()


class Unmeasured(PassThroughProfiler):
    """Lightning wraps each hook of each callback in ``profile``, a hundred times a step."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        return _NOTHING
