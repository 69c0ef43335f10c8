"""PURE: words to readings, and the plan of reads."""
