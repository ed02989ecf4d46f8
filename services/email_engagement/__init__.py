"""E-mail engagement: what became of each e-mail that was sent to a sponsor."""
