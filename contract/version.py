"""The version of this program, the same at the edge and in the cloud; a test holds pyproject.toml to it."""

VERSION = "0.1.0"
