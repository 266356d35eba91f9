"""Two releases side by side: what changed in their parts, and what that did to quality, latency and cost."""
