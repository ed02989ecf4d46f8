"""What a report on dependencies comes to: silence is not taken for safety."""

from pathlib import Path
from typing import Any

import pytest

from infra.audit_dependencies import NONE_KNOWN, NOT_LOOKED_UP, VULNERABLE, judge, main

SAFE: dict[str, Any] = {"name": "safe", "version": "1", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([SAFE, SAFE], NONE_KNOWN, "2 packages looked up, none of them known to be vulnerable"),
        ([SAFE, BAD], VULNERABLE, "bad 2: PYSEC-1, mended in 3"),
        ([UNKNOWN, BAD], VULNERABLE, "bad 2: PYSEC-1, mended in 3"),
        ([SAFE, UNKNOWN], NOT_LOOKED_UP, "1 of 2 packages could not be looked up, the first because: not found"),
        ([UNKNOWN, UNKNOWN], NOT_LOOKED_UP, "2 of 2 packages could not be looked up, the first because: not found"),
        ([], NOT_LOOKED_UP, "0 of 0 packages could not be looked up, the first because: the report names none"),
    ],
)
def test_only_packages_that_were_looked_up_are_found_safe(packages: list[Any], code: int, said: str) -> None:
    lines, found = judge({"dependencies": packages})

    assert found == code
    assert said in lines


def test_a_program_that_breaks_down_has_found_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\necho no route to host >&2\nexit 1\n")
    program.chmod(0o700)

    assert main(str(program), "requirements.lock") == NOT_LOOKED_UP
    assert "cannot be had here: no route to host" in capsys.readouterr().err
