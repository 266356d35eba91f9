"""GOVERNANCE: who gets access, and who no longer has it.

Issuing stands here and verifying in ``serving.admission``: a process that serves never makes a key, and the command
that makes one loads no server.
"""

from plimsoll.governance.keys import Issued, found, issue, revoke, rotate

__all__ = ["Issued", "found", "issue", "revoke", "rotate"]
