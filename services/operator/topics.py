"""`eventos topics apply`: bring Kafka's topics to what contracts/topics.py declares."""

import asyncio
from typing import Annotated

import typer

from contracts.topics import TOPICS, Topic
from services.operator import kafka_admin
from services.operator.kafka_admin import Change, Wanted
from services.operator.output import note, print_json, print_table
from services.operator.surroundings import settings_of_command
from services.runtime.settings import Settings

LARGEST_RECORD = 8 * 1024 * 1024
"""Bytes that Kafka accepts; far above what the contract allows, so that a value too large becomes a dead letter of
ours with a reason, and not an error that only its publisher sees."""

app = typer.Typer(
    help="The Kafka topics that the code declares.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)


@app.callback()
def topics() -> None:
    """The Kafka topics that the code declares."""


@app.command("apply")
def apply_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    replication_factor: Annotated[
        int, typer.Option(min=-1, max=16, help="Copies of a new topic; -1 takes the broker's default.")
    ] = -1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create missing topics, add partitions, set options; nothing is ever deleted.

    The difference is shown first. Adding partitions moves keys to other partitions; the services do not mind.

    Examples: `eventos topics apply --dry-run` · `eventos topics apply --replication-factor 3`
    """
    settings = settings_of_command()
    changes = asyncio.run(apply_topics(settings, replication_factor=replication_factor, dry_run=dry_run))
    if as_json:
        keys = ("topic", "action", "before", "after")
        print_json([{key: getattr(change, key) for key in keys} for change in changes])
    elif changes:
        print_table(("topic", "change", "now", "declared"), ((c.topic, c.action, c.before, c.after) for c in changes))
    state = "nothing was changed" if dry_run else "applied"
    note(f"{len(changes)} differences, {state}" if changes else "The topics are as declared.")


async def apply_topics(settings: Settings, *, replication_factor: int = -1, dry_run: bool = False) -> list[Change]:
    """Bring the topics to what is declared, or only look; returns the differences that there were."""
    wanted = [wanted_topic(topic, settings.topic_prefix) for topic in TOPICS.values()]
    async with kafka_admin.admin(settings) as client:
        return await kafka_admin.bring(client, wanted, replication_factor=replication_factor, dry_run=dry_run)


def wanted_topic(topic: Topic, prefix: str) -> Wanted:
    """Put a declared topic in Kafka's options."""
    configs = {**topic.kafka_settings, "max.message.bytes": str(LARGEST_RECORD)}
    return Wanted(topic.full_name(prefix), topic.partitions, configs)
