"""The services of EventOS Streams: one package each, and the runtime that they stand on."""
