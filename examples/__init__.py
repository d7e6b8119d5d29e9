"""One small company, served by three frameworks under the same policies."""
