"""Write what follows from the models: `python -m contracts.generate` makes the JSON Schemas and asyncapi.yaml.

With `--check` it writes nothing and exits with 1 when a file is stale. With `--release VERSION` it also keeps the
schemas as released: from then on, events that obey them must stay readable, and a change that breaks this is refused.
"""

import argparse
import json
import sys
from pathlib import Path

import yaml

from contracts import asyncapi, compatibility
from contracts.json_schemas import event_schema, schema_path
from contracts.registry import EVENT_TYPES

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
RELEASED = SCHEMAS / "released"


def generated() -> dict[Path, str]:
    """Return what every generated file is to hold."""
    asyncapi_text = yaml.safe_dump(asyncapi.document(), sort_keys=False, allow_unicode=True, width=110)
    return {
        HERE / "asyncapi.yaml": f"# Made by `python -m contracts.generate`.\n{asyncapi_text}",
        **{HERE / schema_path(each): _json(event_schema(each)) for each in EVENT_TYPES.values()},
    }


def stale() -> list[Path]:
    """Return the generated files that are missing, differ, or belong to no event type any more."""
    files = generated()
    orphans = {path for path in SCHEMAS.glob("*/*.json") if path.parent != RELEASED} - files.keys()
    differing = {path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text}
    return sorted(orphans | differing)


def schemas() -> compatibility.Release:
    """Return today's schemas by topic and type."""
    return {
        topic.name: {each.name: event_schema(each) for each in EVENT_TYPES.values() if each.topic is topic}
        for topic in dict.fromkeys(each.topic for each in EVENT_TYPES.values())
    }


def released() -> dict[str, compatibility.Release]:
    """Return the schemas of every release, by version."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(RELEASED.glob("*.json"))}


def write() -> None:
    """Bring all generated files up to date."""
    files = generated()
    for path in stale():
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
        else:
            path.unlink()


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is stale")
    parser.add_argument("--release", metavar="VERSION", help="also keep the schemas as those of this release")
    arguments = parser.parse_args()
    if faults := compatibility.breaks(released(), schemas()):
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    if arguments.check:
        outdated = stale()
        print(*(f"stale: {path.relative_to(HERE.parent)}" for path in outdated), sep="\n", end="", file=sys.stderr)
        return 1 if outdated else 0
    write()
    if arguments.release:
        RELEASED.mkdir(parents=True, exist_ok=True)
        (RELEASED / f"{arguments.release}.json").write_text(_json(schemas()), "utf-8")
    return 0


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
