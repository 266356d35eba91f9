"""Batch scoring: the rows of files through the same release, features and answer policy as requests, in chunks.

A chunk is scored by one of several processes, each on one thread, and is a file of its own once it is done; a manifest
says which are. Killed at any moment, the same command goes on with the chunks that are missing, and what comes out is
the same bytes. Batch answers are no events: nobody waited for them, and the loop judges what people were told. One line
of the ledger says what was scored, with which release, by whom.
"""

from plimsoll.operations.scoring.run import Scored, score

__all__ = ["Scored", "score"]
