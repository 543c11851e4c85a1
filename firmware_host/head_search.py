"""Looking for a head whose line was lost, on the ports where it may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from firmware_host.errors import HeadError, LinkError
from firmware_host.head import Head


class HeadSearch:
    """One attempt to find a head again, in a thread: another head in the session must not wait for it."""

    def __init__(self, ports: Sequence[str], lost: Head) -> None:
        self.began = time.monotonic()
        self.found: Head | None = None
        self.refusal = ""
        """Why what was found is not the head that was lost."""
        self.done = False
        self._abandoned = False
        self._ports = ports
        self._lost = lost
        self._nameless: list[Head] = []
        threading.Thread(target=self._look, name="find head", daemon=True).start()

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._abandoned = True

    def take_nameless(self) -> list[Head]:
        """Links, closed again, over which something came and nobody said who it was; given out once."""
        nameless, self._nameless = self._nameless, []
        return nameless

    def _look(self) -> None:
        try:
            for port in self._ports:
                if self._is_on(port):
                    break
        finally:
            self.done = True

    def _is_on(self, port: str) -> bool:
        head: Head | None = None
        try:
            head = self._lost.sibling(port)
            head.describe(timeout_s=2.0)
            self.refusal = self._lost.stranger(head)
            if not self.refusal and not self._abandoned:
                self.found = head
                return True
        except (LinkError, HeadError):
            # without a byte it is not there yet: that is what is being told all the time
            if head is not None and head.counters.bytes:
                self.refusal = (
                    f"Something sends on {port}, and has not said in time that it is the head of this sweep. What it "
                    "sent is not in the record. Check cable and baud rate."
                )
                self._nameless.append(head)
        if head is not None:
            head.close()
        return False
