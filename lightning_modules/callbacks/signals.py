"""Who ends a run that is asked to stop: whoever started it, not Lightning."""

import signal

import pytorch_lightning as pl


class KeepSignals(pl.Callback):
    """Gives SIGTERM back to its handler. Lightning's own waits for the other processes, which may wait for this one."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        signal.signal(signal.SIGTERM, self._handler)
