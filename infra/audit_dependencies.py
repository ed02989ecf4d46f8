"""Asks whether anything that a lock pins is known to be vulnerable: pip-audit, and a second look at what it says.

pip-audit reports "No known vulnerabilities found", and success, also when its source of data knew not one of the
packages. Here that is no success: exit code 0 stands for every package looked up and none found vulnerable, 1 for a
vulnerability, 2 for data that could not be had.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NONE_KNOWN, VULNERABLE, NOT_LOOKED_UP = 0, 1, 2


def main(pip_audit: str, lock: str) -> int:
    """Run the program `pip_audit` on the file `lock`; say what was found, and return the exit code."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
        ran = subprocess.run(  # noqa: S603 - the program is the caller's own
            [pip_audit, "--requirement", lock, *words, "--output", str(report)],
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
            print(f"{lock}: the data of known vulnerabilities cannot be had here: {last}", file=sys.stderr)
            return NOT_LOOKED_UP
        said, code = judge(json.loads(report.read_text()))
    for line in said:
        print(f"{lock}: {line}", file=sys.stderr if code else sys.stdout)
    return code


def judge(report: Mapping[str, Any]) -> tuple[list[str], int]:
    """Put pip-audit's JSON report in lines, and in an exit code."""
    packages = report["dependencies"]
    unknown = [package for package in packages if "skip_reason" in package]
    said = [
        f"{package['name']} {package['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", [])
    ]
    code = VULNERABLE if said else NONE_KNOWN
    if unknown or not packages:
        why = unknown[0]["skip_reason"] if unknown else "the report names none"
        said.append(f"{len(unknown)} of {len(packages)} packages could not be looked up, the first because: {why}")
        code = code or NOT_LOOKED_UP
    if code == NONE_KNOWN:
        said.append(f"{len(packages)} packages looked up, none of them known to be vulnerable")
    return said, code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
