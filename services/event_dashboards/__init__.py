"""Projection: what the facts about one event add up to, as the organiser's dashboard."""
