"""Writing policies: remarks on them, differences between them, and edits that keep the author's text."""
