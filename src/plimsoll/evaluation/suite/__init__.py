"""What a report shows beside the measures: where and how a release goes wrong, and what else was looked into."""
