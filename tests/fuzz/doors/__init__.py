"""The doors, and the targets at each."""

from . import held, keyboard, printed, served, stored, told, wire, written

TARGETS = (
    *wire.TARGETS,
    *held.TARGETS,
    *printed.TARGETS,
    *keyboard.TARGETS,
    *served.TARGETS,
    *stored.TARGETS,
    *told.TARGETS,
    *written.TARGETS,
)
