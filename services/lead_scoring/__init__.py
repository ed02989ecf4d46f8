"""Projection: how promising each lead is, a pair of a sponsor and an event."""
