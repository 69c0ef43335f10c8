"""Certificates: the authority of an installation, what it issued and what it took back."""
