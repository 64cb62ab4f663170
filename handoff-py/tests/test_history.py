"""Commits that nobody has pushed, through the public API; git is asked what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import handoff
import pytest
from conftest import git


@dataclass
class Clones:
    """Two clones of one project; ``here`` has two commits that are not pushed, and an edit on top of them."""

    root: Path

    def __post_init__(self) -> None:
        self.forge, self.here, self.there = (self.root / name for name in ("forge", "here", "there"))
        git(self.root, "init", "-q", "--initial-branch=main", "forge")
        (self.forge / "notes.txt").write_text("first\n")
        git(self.forge, "add", "notes.txt")
        git(self.forge, "commit", "-q", "-m", "first")
        for clone in ("here", "there"):
            git(self.root, "clone", "-q", "forge", clone)
        git(self.here, "checkout", "-q", "-b", "feature")
        for text in ("second", "third"):
            (self.here / f"{text}.txt").write_text(f"{text}\n")
            git(self.here, "add", "--all")
            git(self.here, "commit", "-q", "-m", text)
        (self.here / "third.txt").write_text("third, edited\n")
        self.commit = git(self.here, "rev-parse", "HEAD").strip()

    def capture(self, **options: Any) -> handoff.Snapshot:
        return handoff.capture(handoff.Workspace(self.here), **options)

    def apply(self, snapshot: handoff.Snapshot, **options: Any) -> tuple[handoff.ApplyReport, handoff.HistoryReport]:
        report = handoff.apply(snapshot, handoff.Workspace(self.there), **options)
        assert report.repos[0].history is not None
        return report, report.repos[0].history

    def standing(self) -> str:
        """HEAD and all refs of the target."""
        return (self.there / ".git/HEAD").read_text() + git(self.there, "for-each-ref") + self.status()

    def status(self) -> str:
        return git(self.there, "status", "--porcelain", "--branch")

    def has_commit(self) -> bool:
        return self.commit in git(self.there, "cat-file", "--batch-all-objects", "--batch-check")


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path)


def test_they_wait_in_the_snapshot_until_they_are_asked_for(clones: Clones) -> None:
    snapshot = clones.capture()
    before = clones.standing().splitlines()[:-1]
    _, history = clones.apply(snapshot)
    assert (history.outcome, history.commits, history.reason) == ("not_asked", 2, None)
    assert not clones.has_commit() and set(before) <= set(clones.standing().splitlines())


def test_as_objects_they_are_there_and_named_by_nothing(clones: Clones) -> None:
    refs = git(clones.there, "for-each-ref")
    _, history = clones.apply(clones.capture(), history="objects")
    assert (history.outcome, history.commits, history.branch) == ("stored", 2, None)
    assert git(clones.there, "log", "-2", "--format=%s", clones.commit) == "third\nsecond\n"
    assert git(clones.there, "for-each-ref") == refs
    assert git(clones.there, "symbolic-ref", "HEAD") == "refs/heads/main\n"


def test_a_clean_checkout_is_put_on_their_branch_and_back(clones: Clones) -> None:
    snapshot, before = clones.capture(), clones.standing()
    seen = handoff.preview(snapshot, handoff.Workspace(clones.there), history="branch")
    assert clones.standing() == before and seen.repos[0].history is not None
    report, history = clones.apply(snapshot, history="branch")
    assert (history.outcome, history.branch, history.reason) == ("moved", "feature", None)
    assert report.verdict == "complete" and report.to_dict()["repos"][0]["history"]["branch"] == "feature"
    assert git(clones.there, "symbolic-ref", "HEAD") == "refs/heads/feature\n"
    assert git(clones.there, "rev-parse", "HEAD").strip() == clones.commit
    assert git(clones.there, "status", "--porcelain") == " M third.txt\n"
    git(clones.there, "fsck", "--strict")
    assert report.apply_id is not None
    assert handoff.undo(handoff.Workspace(clones.there), report.apply_id).verdict == "complete"
    assert clones.standing() == before


def test_a_checkout_with_changes_stays_and_the_reason_is_said(clones: Clones) -> None:
    (clones.there / "notes.txt").write_text("mine\n")
    report, history = clones.apply(clones.capture(), history="branch")
    assert (history.outcome, history.reason) == ("stored", "not_clean") and history.message
    assert report.verdict != "complete" and clones.has_commit()
    assert git(clones.there, "symbolic-ref", "HEAD") == "refs/heads/main\n"
    assert (clones.there / "notes.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"max_history_commits": 1}, "too_many_commits"), ({"max_history_bytes": 1}, "too_large")],
)
def test_beyond_a_limit_none_travel_and_both_sides_say_so(clones: Clones, options: Any, reason: str) -> None:
    snapshot = clones.capture(**options)
    assert snapshot.manifest["repos"][0]["history"]["cut"]["reason"] == reason
    _, history = clones.apply(snapshot, history="objects")
    assert (history.outcome, history.reason) == ("not_captured", reason)
    assert not clones.has_commit()


def test_within_the_limit_they_travel(clones: Clones) -> None:
    assert clones.apply(clones.capture(max_history_commits=2), history="objects")[1].outcome == "stored"


def test_never_means_never(clones: Clones) -> None:
    snapshot = clones.capture(history="never")
    assert "history" not in snapshot.manifest["repos"][0]
    report = handoff.apply(snapshot, handoff.Workspace(clones.there), history="branch")
    assert not clones.has_commit() and (clones.there / "third.txt").exists() is False
    assert report.repos[0].history is None or report.repos[0].history.outcome != "moved"


def test_wrong_words_are_named(clones: Clones) -> None:
    snapshot = clones.capture()
    calls: list[Any] = [
        lambda: clones.capture(history="objects"),
        lambda: clones.apply(snapshot, history="always"),
        lambda: clones.apply(snapshot, history=True),
    ]
    for call in calls:
        with pytest.raises(handoff.InvalidArgumentError) as caught:
            call()
        assert caught.value.argument == "history"
    with pytest.raises(handoff.InvalidArgumentError) as caught:
        clones.capture(max_history_commits="many")
    assert caught.value.argument == "max_history_commits"
