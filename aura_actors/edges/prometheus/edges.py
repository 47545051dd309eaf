"""The edges' own counters: the feed and the listener."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from aura_actors.edges.feed import FeedStatistics
from aura_actors.edges.listener import ListenerStatistics


def edges(feed: FeedStatistics, listener: ListenerStatistics) -> Iterator[Metric]:
    """Families of the feed and the listener."""
    yield GaugeMetricFamily("aura_feed_clients", "Clients of the feed", value=feed.clients)
    yield CounterMetricFamily("aura_feed_frames", "Frames sent", value=feed.frames_sent_total)
    yield CounterMetricFamily("aura_feed_sent_bytes", "Bytes of frames sent", value=feed.bytes_sent_total)
    yield CounterMetricFamily(
        "aura_feed_waited_frames", "Frames that a client's socket did not take at once", value=feed.waited_total
    )
    resumed = CounterMetricFamily("aura_feed_resumed", "Topics that clients came back to", labels=["recovered"])
    resumed.add_metric(["true"], feed.recovered_total)
    resumed.add_metric(["false"], feed.unrecovered_total)
    yield resumed
    yield CounterMetricFamily("aura_feed_conflated", "Snapshots a client never saw", value=feed.conflated_total)
    yield CounterMetricFamily(
        "aura_feed_slow_disconnects", "Clients cut off as too slow", value=feed.slow_disconnects_total
    )
    yield CounterMetricFamily("aura_feed_refused", "Handshakes turned away", value=feed.refused_total)
    yield GaugeMetricFamily("aura_http_connections", "Open connections", value=listener.connections)
    yield CounterMetricFamily("aura_http_accepted", "Connections accepted", value=listener.accepted_total)
    yield CounterMetricFamily(
        "aura_http_connection_failures", "Connections ended by an error", value=listener.failures_total
    )
    yield CounterMetricFamily(
        "aura_http_handshake_failures",
        "Connections that did not come to speak TLS",
        value=listener.handshakes_failed_total,
    )
