"""One class for each kind; whatever is wrong is named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import handoff
import pytest
from conftest import Scene
from handoff import _held, _native, errors


def test_every_kind_has_its_class() -> None:
    for kind, retryable in _native.error_kinds():
        made = errors.error_class(kind)
        assert (made.KIND, made("why").retryable) == (kind, retryable), kind
    assert errors.error_class("of a newer version") is handoff.HandoffError
    assert handoff.StorageError("in a moment", retryable=True).retryable
    assert not handoff.BusyError("for good", retryable=False).retryable


def test_errors_are_pickled_whole() -> None:
    error = handoff.StorageError("gone", retryable=True, path="/p", details={"a": 1})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is handoff.StorageError and again.to_dict() == error.to_dict()


def test_what_is_not_there_is_named(scene: Scene) -> None:
    with pytest.raises(handoff.NotARepositoryError) as caught:
        handoff.Workspace(scene.root)
    assert caught.value.path == str(scene.root)
    with pytest.raises(handoff.UnknownApplyError):
        handoff.undo(scene.there, "a" + "0" * 32)
    with pytest.raises(LookupError):
        handoff.undo(scene.there, "a" + "0" * 32)


WRONG: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("roots", lambda here, there: handoff.Workspace(5)),  # type: ignore[arg-type]
    ("roots[1]", lambda here, there: handoff.Workspace([".", 5])),  # type: ignore[list-item]
    ("roots[0]", lambda here, there: handoff.Workspace(["a\0b"])),
    ("workspace", lambda here, there: handoff.capture(5)),  # type: ignore[arg-type]
    ("exclude", lambda here, there: handoff.capture(here, exclude="x")),
    ("exclude[0]", lambda here, there: handoff.capture(here, exclude=[5])),  # type: ignore[list-item]
    ("exclude[0]", lambda here, there: handoff.capture(here, exclude=[{1}])),  # type: ignore[list-item]
    ("bases", lambda here, there: handoff.capture(here, bases="some")),  # type: ignore[arg-type]
    ("deadline", lambda here, there: handoff.capture(here, deadline=-1)),
    ("deadline", lambda here, there: handoff.capture(here, deadline="soon")),  # type: ignore[arg-type]
    ("max_file_bytes", lambda here, there: handoff.capture(here, max_file_bytes=1 << 80)),
    ("max_file_bytes", lambda here, there: handoff.capture(here, max_file_bytes=float("nan"))),  # type: ignore[arg-type]
    ("secret_rules", lambda here, there: handoff.capture(here, secret_rules={})),  # type: ignore[arg-type]
    ("colour", lambda here, there: handoff.aio.capture(here, colour=1).result()),  # type: ignore[call-arg]
    ("snapshot", lambda here, there: handoff.apply(here, there)),  # type: ignore[arg-type]
    ("on_conflict", lambda here, there: handoff.apply(handoff.capture(here), there, on_conflict="mine")),  # type: ignore[arg-type]
    ("map", lambda here, there: handoff.apply(handoff.capture(here), there, map=[1])),  # type: ignore[arg-type]
    ("apply_id", lambda here, there: handoff.undo(there, "x")),
    ("storage", lambda here, there: handoff.Conversations(object())),  # type: ignore[arg-type]
    ("agent", lambda here, there: handoff.LocalRuntime(agent=object(), root=".")),  # type: ignore[arg-type]
    ("bundle", lambda here, there: handoff.Snapshot.from_bytes("text")),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("argument", "call"), WRONG)
def test_a_wrong_argument_is_named(scene: Scene, argument: str, call: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(handoff.InvalidArgumentError) as caught:
        call(scene.here, scene.there)
    assert caught.value.argument == argument
    assert caught.value.kind == "invalid_argument"


def test_what_was_closed_is_refused(scene: Scene) -> None:
    workspace = scene.here
    workspace.close()
    workspace.close()
    with pytest.raises(handoff.InvalidArgumentError) as caught:
        handoff.capture(workspace)
    assert caught.value.argument == "workspace" and "closed" in str(caught.value)


@pytest.mark.parametrize("place", ["begin", "poll", "block", "off_thread"])
def test_a_defect_of_ours_is_an_error_wherever_it_panics_and_ends_nothing(place: str) -> None:
    # More often than there are threads.
    for _ in range(6):
        with pytest.raises(handoff.UnsupportedError, match="a defect of handoff's; please report"):
            _held.start(f"defect.{place}", {}, lambda value, body: None).result()
    assert handoff.MemoryStorage().put_new("a", b"x").result() == "created"
