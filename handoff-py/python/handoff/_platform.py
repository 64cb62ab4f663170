"""What to say when the native half is not there."""

from __future__ import annotations

import pathlib
import platform
import sys


def explain(error: ImportError) -> str:
    """Why the import failed, and what to do."""
    here = pathlib.Path(__file__).parent
    built = sorted(path.name for path in here.glob("_native.*") if path.suffix in (".so", ".pyd", ".dylib"))
    machine = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}-{platform.machine()}"
    if built:
        return (
            f"handoff's native module ({', '.join(built)}) cannot be loaded by {machine}: {error}. "
            "Install the wheel for this system: `pip install --force-reinstall handoff-py`"
        )
    return (
        f"handoff has no native module for {machine} here. A checkout has none until it is built: "
        "`pip install ./handoff-py` with Rust 1.88 or newer installed; elsewhere "
        "`pip install --force-reinstall handoff-py`"
    )
