"""What another policy would have decided in every past rollout, and what it would have cost."""
