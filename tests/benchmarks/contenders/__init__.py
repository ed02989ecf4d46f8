"""Who is compared: each does something with the records of one intake service's topic, as its kind usually does.

A contender's module has `async def drain(lab: Lab, database: Database, service: str) -> Drained`. It drains the topic
of `service` into `database`, or a part of it where it is slow (`lab.scale.slow_records`), checks what it can of the
result, and returns how fast it was. It raises Failure when the contender fails.
"""
