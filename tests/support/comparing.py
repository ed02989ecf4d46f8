"""Two states held against each other: by the conformance sets' own comparison, and by what that leaves out."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CONFORMANCE = Path(__file__).parents[1] / "conformance"
SETS = ("small", "mixed")


def conformance_set(name: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any], date]:
    """The core rows, the records, the expected state and its day."""
    folder = CONFORMANCE / name
    lines = (folder / "records.jsonl").read_text("utf-8").splitlines()
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    core = json.loads((folder / "core.json").read_text("utf-8"))
    return core, [json.loads(line) for line in lines], expected, date.fromisoformat(expected["as_of"])


def require_agreement(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    """Raise AssertionError with every difference that is found."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("expected.json", "actual.json")]
        for path, state in zip(paths, (expected, actual), strict=True):
            path.write_text(json.dumps(state), "utf-8")
        command = [sys.executable, str(CONFORMANCE / "compare.py"), *map(str, paths)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert actual["duplicates"] == expected["duplicates"]
    assert actual["as_of"] == expected["as_of"]
    for section, rows in expected.items():  # what is equal as numbers, and not as text, should be told alike too
        if section not in ("as_of", "duplicates", "outcomes", "lead_score_events"):
            assert actual[section] == rows, section
    pairs = {(row["sponsor_id"], row["event_id"]) for row in expected["lead_scores"]}
    assert {(row["sponsor_id"], row["event_id"]) for row in actual["lead_score_events"]} == pairs
