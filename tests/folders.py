"""What the tests of one folder share: opened for the first that needs it, closed after the last of the worker.

A fixture of the session would live to its end: a daemon that nobody asks any more measures on, in every worker.
"""

from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

T = TypeVar("T")


def shared(request: pytest.FixtureRequest, key: pytest.StashKey[T], unopened: AbstractContextManager[T]) -> T:
    """What the test's folder has under this key; where it has nothing yet, what is opened now."""
    folder = request.node.getparent(pytest.Dir)
    if key not in folder.stash:
        folder.stash[key] = unopened.__enter__()

        def close() -> None:
            del folder.stash[key]
            unopened.__exit__(None, None, None)

        folder.addfinalizer(close)
    found: T = folder.stash[key]
    return found
