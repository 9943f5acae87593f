"""Threads that run beside the clients."""

from __future__ import annotations

import threading


class Background:
    """A thread that does `run` until it is stopped; `over` says that it is to end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, name=type(self).__name__, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        # One that was never started has nothing to end.
        if self.thread.ident is not None:
            self.thread.join(30)

    def run(self) -> None:
        raise NotImplementedError
