"""How things stand: one document, and the page that shows it."""
