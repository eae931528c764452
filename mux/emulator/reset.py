from ..reset import *  # noqa: F403
