"""PLANNING: what a rollout can show and in what time, said before it begins."""
