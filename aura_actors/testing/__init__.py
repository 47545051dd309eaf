"""For tests, ours and those of programs that embed the runtime.

open_test_runtime   a whole runtime on a loopback port, with its own data directory
crash               end a part as if it had failed, and see that nobody is hurt
"""

from aura_actors.testing.runtime import ServedRuntime, crash, open_test_runtime

__all__ = ["ServedRuntime", "crash", "open_test_runtime"]
