"""One file a command. Each builds a plain document and, for people, draws it."""
