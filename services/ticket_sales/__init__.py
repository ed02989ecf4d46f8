"""Ticketing facts → the state of each order → what an event's dashboard and a sponsor's lead stand on."""
