"""How the store's errors read: they are shown after "agentmux: "."""

from __future__ import annotations

import pytest

from agentmux.store import errors

EVERY = [
    errors.StoreTooNew("/x/agentmux.db", 9, 2),
    errors.StoreBroken("/x/agentmux.db", "file is not a database"),
    errors.StoreFull("/x/agentmux.db"),
    errors.NameTaken("API"),
    errors.NoSuchSession(3),
    errors.StillLive(3),
    errors.NoSuchPrompt(3),
    errors.BlobMissing("/x/ab/cd.zst"),
    errors.BlobBroken("/x/ab/cd.zst", "its end is missing"),
    errors.JournalError("/x/3", "input/output error"),
    errors.JournalFull("/x/3", "no space left on device"),
    errors.OutsideJournal("/x/3", 5, 10, 20),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_a_problem_is_one_lower_case_line_without_a_full_stop(error: errors.StoreError) -> None:
    for line in (error.problem, error.hint):
        assert "\n" not in line
        assert not line.endswith(".")
        assert line[:1] == line[:1].lower()
    assert str(error) == error.problem
