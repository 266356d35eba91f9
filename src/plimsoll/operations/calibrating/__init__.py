"""CALIBRATING: what a capability's own gate and rollout let through, and what they stop, found by sending releases through
them that are known to be as good as the champion, or known to be broken."""
