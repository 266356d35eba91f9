"""ANSWERED: what releases said to the same recorded questions, read from the event log and looked at together."""
