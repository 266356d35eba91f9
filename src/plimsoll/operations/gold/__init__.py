"""Golden sets: labelled cases taken in as snapshots, asked of each release, and what a changed label makes stale."""
