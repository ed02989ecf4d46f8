"""Why a record is refused. The words are stored with dead letters and counted in metrics."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons, in the order in which they are tested: a refusal names only the first that holds."""

    OVERSIZED = "oversized"
    NOT_JSON = "not_json"
    INVALID_ENVELOPE = "invalid_envelope"
    UNKNOWN_TYPE = "unknown_type"
    INVALID_DATA = "invalid_data"
    TIME_IN_FUTURE = "time_in_future"
    UNKNOWN_SPONSOR = "unknown_sponsor"
    UNKNOWN_EVENT = "unknown_event"
    EVENT_ID_CONFLICT = "event_id_conflict"
    HANDLER_ERROR = "handler_error"
