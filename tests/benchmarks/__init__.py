"""Measurements: what they print, they print again when they are run again. None is a test."""
