"""What crosses a topic: names, envelopes, data models, refusals. Imports nothing from the services."""
