"""Thousands of clients of one feed, in a process of their own.

`python -m benchmarks.fanout_clients PORT N STALLED KIND`: KIND is `feed` (upgrade and subscribe), `plain`
(upgrade) or `raw` (TCP alone). The last STALLED of the N read nothing once they have subscribed. Prints
`connected`; then for each line on standard input one as answer: `rest` and `read` stop and go on reading,
`report` prints what came since the last one, as JSON. Whole frames are read, numbers compared, pings answered.
"""

import contextlib
import json
import select
import socket
import struct
import sys
import time

from benchmarks.fanout_limits import raise_descriptor_limit

UNDER_WAY = 50
"""Handshakes at once: more than the servers' queues hold would wait for the kernel's own retry of a second."""
UPGRADE = (
    "GET /feed HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame of less than 126 bytes, with a mask of zeros."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


SUBSCRIBE = masked(0x81, b'{"type":"subscribe","topics":["system"]}')
PONG = masked(0x8A, b"")


class Client:
    """One connection."""

    def __init__(self, port: int, kind: str, *, stalls: bool) -> None:
        self.stalls = stalls
        self.upgraded = kind == "raw"
        self.subscribes = kind == "feed"
        self.seq = 0
        self.rest = b""
        self.sock = socket.socket()
        if stalls:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(("127.0.0.1", port))
        if not self.upgraded:
            self.sock.sendall(UPGRADE.format(port=port).encode())


class Crowd:
    """All of them."""

    def __init__(self, port: int, count: int, stalled: int, kind: str) -> None:
        self._poll = select.epoll()
        self._poll.register(0, select.EPOLLIN)
        self._clients: dict[int, Client] = {}
        self._port, self._count, self._stalled, self._kind = port, count, stalled, kind
        self._waiting: set[int] = set()
        self._latencies: list[int] = []
        self._resting = False
        self._frames = self._gaps = self._faults = self._lost = 0

    def connect(self) -> None:
        """All, so many at a time, until each is greeted."""
        for number in range(self._count):
            while len(self._waiting) >= UNDER_WAY:
                self._turn()
            client = Client(self._port, self._kind, stalls=number >= self._count - self._stalled)
            self._clients[client.sock.fileno()] = client
            self._poll.register(client.sock.fileno(), select.EPOLLIN)
            if not client.upgraded:
                self._waiting.add(client.sock.fileno())
        while self._waiting:
            self._turn()

    def run(self) -> None:
        """Read, and do what the standard input says, until it ends."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        if self._resting:
            return self._obey(sys.stdin.readline())
        for number, _ in self._poll.poll(1):
            if number == 0 and not self._obey(sys.stdin.readline()):
                return False
            if number != 0:
                self._read(number, self._clients[number])
        return True

    def _obey(self, line: str) -> bool:
        self._resting = line.startswith("rest")
        print(self._report() if line.startswith("report") else line.strip(), flush=True)
        return bool(line)

    def _read(self, number: int, client: Client) -> None:
        try:
            data = client.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        now = time.monotonic_ns()
        if not data:
            self._poll.unregister(number)
            self._waiting.discard(number)
            self._lost += 1
            return
        if client.rest:
            data = client.rest + data
        if not client.upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                client.rest = head
                return
            client.upgraded = True
            self._waiting.discard(number)
            if client.subscribes:
                client.sock.sendall(SUBSCRIBE)
            if client.stalls:
                self._poll.unregister(number)
                return
        at = 0
        while (end := self._frame(client, data, at, now)) > at:
            at = end
        client.rest = data[at:]

    def _frame(self, client: Client, data: bytes, at: int, now: int) -> int:
        """Read the frame at a place; where it ends, or the place itself if it is not whole."""
        if len(data) < at + 2:
            return at
        size, begin = data[at + 1], at + 2
        if size == 126:
            if len(data) < at + 4:
                return at
            (size,), begin = struct.unpack_from("!H", data, at + 2), at + 4
        end = begin + size
        if len(data) < end:
            return at
        if data[at] == 0x89:
            with contextlib.suppress(OSError):
                client.sock.sendall(PONG)
        elif data[at] != 0x81 or data[begin] != 123 or data[end - 1] != 125:
            self._faults += 1
        elif (place := data.find(b'"sent":', begin, end)) >= 0:
            self._latencies.append(now - int(data[place + 7 : place + 26]))
            number = data.find(b'"seq":', begin, end) + 6
            seq = int(data[number : data.index(b",", number)])
            self._frames += 1
            self._gaps += client.seq > 0 and seq - client.seq - 1
            client.seq = seq
        return end

    def _report(self) -> str:
        latencies = sorted(self._latencies) or [0]
        quantiles = {
            name: latencies[min(len(latencies) - 1, int(part * len(latencies)))] / 1e6
            for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1))
        }
        counted = {"frames": self._frames, "gaps": self._gaps, "faults": self._faults, "lost": self._lost}
        newest = {client.seq for client in self._clients.values() if not client.stalls}
        report = json.dumps({**counted, "newest": sorted(newest), "latency_ms": quantiles})
        self._latencies.clear()
        self._frames = self._gaps = 0
        return report


def main() -> None:
    """Connect, say so, read."""
    port, count, stalled, kind = sys.argv[1:]
    raise_descriptor_limit(int(count))
    crowd = Crowd(int(port), int(count), int(stalled), kind)
    crowd.connect()
    print("connected", flush=True)
    crowd.run()


if __name__ == "__main__":
    main()
