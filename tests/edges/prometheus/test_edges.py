"""The feed's counters, as Prometheus reads them."""

from aura_actors.edges.feed import FeedStatistics
from aura_actors.edges.listener import ListenerStatistics
from aura_actors.edges.prometheus import edges


def test_every_counter_of_the_feed_is_told_once_under_its_name() -> None:
    feed = FeedStatistics(
        **{name: number for number, name in enumerate(FeedStatistics.__struct_fields__, start=1)}  # each another
    )
    listener = ListenerStatistics(
        connections=0, accepted_total=0, failures_total=0, overloads_total=0, handshakes_failed_total=0
    )
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in edges(feed, listener)
        for sample in family.samples
        if family.name.startswith("aura_feed_")
    }
    assert samples == {
        ("aura_feed_clients",): feed.clients,
        ("aura_feed_frames_total",): feed.frames_sent_total,
        ("aura_feed_sent_bytes_total",): feed.bytes_sent_total,
        ("aura_feed_waited_frames_total",): feed.waited_total,
        ("aura_feed_resumed_total", "true"): feed.recovered_total,
        ("aura_feed_resumed_total", "false"): feed.unrecovered_total,
        ("aura_feed_conflated_total",): feed.conflated_total,
        ("aura_feed_slow_disconnects_total",): feed.slow_disconnects_total,
        ("aura_feed_refused_total",): feed.refused_total,
    }
