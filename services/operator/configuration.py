"""`eventos config`: every setting, where it stands, and what is wrong with it."""

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.operator.output import print_json, print_table
from services.runtime.settings import ConfigurationError, Settings, load_settings, url_fault

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)")
_PASSWORD_IN_QUERY = re.compile(r"(?i)((?:password|passfile|sslkey)=)[^&]*")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is shown: text only, secrets masked."""

    name: str
    value: str | None
    default: str | None
    description: str
    given: bool


def config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show every setting: its value (secrets masked), its default, what it is for.

    Settings are environment variables. All that is wrong with them is said at once; then the exit code is 2.

    Examples: `eventos config` · `EVENTOS_LANES=4 eventos config --json`
    """
    try:
        current, fault = load_settings(), None
    except ConfigurationError as error:
        current, fault = None, error
    settings = list(_describe(current))
    if as_json:
        print_json([asdict(setting) for setting in settings])
    else:
        columns = ("setting", "value", "default", "what it is for")
        print_table(columns, ((s.name, s.value, s.default, s.description) for s in settings))
    if fault is not None:
        raise fault


def _describe(current: Settings | None) -> Iterator[Setting]:
    """Yield each setting, from `current` or, where that could not be made, from the bare environment."""
    for name, field in Settings.model_fields.items():
        variable = f"EVENTOS_{name.upper()}"
        given = os.environ.get(variable)
        value: Any = getattr(current, name) if current else given
        yield Setting(
            name=variable,
            value=_shown(value, field),
            default=None if field.is_required() else _shown(field.default, field),
            description=field.description or "",
            given=given is not None,
        )


def _shown(value: Any, field: FieldInfo) -> str | None:
    if value is None:
        return None
    text = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    if "SecretStr" not in str(field.annotation):
        return text
    return mask_url(text)


def mask_url(url: str) -> str:
    """Hide the password of a URL, wherever it stands; all of a URL in which that is not plain to see."""
    if url_fault(url):
        return "********"
    return _PASSWORD_IN_QUERY.sub(r"\1********", _PASSWORD_IN_URL.sub(r"\1:********", url))
