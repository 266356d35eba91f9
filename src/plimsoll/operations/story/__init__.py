"""The story of a rehearsal, told from what it left behind: as a document, as a page, and line by line."""
