"""The zone of this machine's clock, by its name where that is known: offsets alone don't know when summer ends."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo

_LOCALTIME = "/etc/localtime"


def local() -> tzinfo:
    """Return the zone that holds for this process, and for programs that it starts."""
    name = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath(_LOCALTIME).partition("/zoneinfo/")[2]
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no name, or one that only the C library knows
        return datetime.now().astimezone().tzinfo or UTC
