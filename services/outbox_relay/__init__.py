"""The outbox relay: what the services have written for others, sent to Kafka in order."""
