"""A release evaluated deeply: each part by itself, resumable, kept by digest, and shown in the release's report."""
