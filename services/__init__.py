"""The services of EventOS Streams: one package each, and the runtime that they stand on."""

VERSION = "0.1.0"
"""The version of this code, also where it runs without being installed; pyproject.toml has the same."""
