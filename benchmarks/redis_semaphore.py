"""The peer that people use: a counting semaphore with leases in Redis, one Lua script for each acquire.

Owns the script and the few bytes of the protocol that it takes. It counts one dimension and queues nobody.
"""

from benchmarks.http_client import Reading

ACQUIRE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return redis.call('INCR', KEYS[2])
"""


class Semaphore(Reading):
    """One connection."""

    async def prepare(self) -> None:
        """Load the script."""
        await self.stream.send_all(_command("SCRIPT", "LOAD", ACQUIRE))
        await self.until(b"\r\n")
        self._script = (await self.until(b"\r\n")).decode()

    async def acquire(self, names: list[str]) -> None:
        """One lease for each name, pipelined. Raises RuntimeError where one is not granted."""
        held = ("2", "leases", "fence")
        await self.stream.send_all(
            b"".join(_command("EVALSHA", self._script, *held, name, "1000", "30") for name in names)
        )
        for _ in names:
            if int((await self.until(b"\r\n")).removeprefix(b":")) == 0:
                raise RuntimeError("the semaphore is full")

    async def release(self, names: list[str]) -> None:
        """Give them back."""
        await self.stream.send_all(b"".join(_command("ZREM", "leases", name) for name in names))
        for _ in names:
            await self.until(b"\r\n")


def _command(*words: str) -> bytes:
    """An array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
