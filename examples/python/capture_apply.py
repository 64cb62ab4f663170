"""Work that is not committed, from one checkout to another, and back again if it was not wanted."""

import handoff
from scene import Scene, git, show

with Scene() as scene:
    snapshot = handoff.capture(scene.workspace)
    file = scene.root / "work.handoff"
    snapshot.save(file)
    show(f"{len(snapshot.entries)} changes in one file, {len(snapshot.omissions)} left out")

    # … the file travels to another machine …
    git(scene.root, "clone", "--quiet", str(scene.forge), "desk")
    there = handoff.Workspace(scene.root / "desk")
    report = handoff.apply(handoff.Snapshot.open(file), there)
    show(report)
    show(git(scene.root / "desk", "status", "--porcelain"))

    assert report.apply_id is not None
    handoff.undo(there, report.apply_id)
    show("after undo:", git(scene.root / "desk", "status", "--porcelain") or "clean")
