"""Who is told how far a transfer is. The library tells nobody; the command line shows a bar."""

from __future__ import annotations


class Progress:
    """Nobody looks. `done` and `kept` may be called from any thread."""

    def start(self, what: str, total_bytes: int) -> None:
        """A stretch of work begins, and the one before is over."""

    def done(self, count: int) -> None:
        """Bytes that this run has read or sent."""

    def kept(self, count: int) -> None:
        """Bytes that an earlier run has sent: part of the total, and no part of the rate."""
