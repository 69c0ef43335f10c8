"""PURE: who is due next on a line, and how a dead meter is left alone."""
