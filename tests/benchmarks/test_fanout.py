"""The benchmark of fan-out measures what it says: three servers, the same frames, every client served."""

from pathlib import Path

from benchmarks.fanout import costs


def test_every_server_sends_and_no_client_of_ours_misses_anything(tmp_path: Path) -> None:
    taken, figures = costs(20, 2, 1, tmp_path)
    assert {"ours", "websockets"} <= set(taken) <= {"ours", "websockets", "c_floor"}
    assert all(len(rounds) == 2 and min(rounds) > 0 for rounds in taken.values())
    assert figures["missed_or_spoiled"] == 0
    assert 0 < figures["latency_ms_p50"] <= figures["latency_ms_max"]
