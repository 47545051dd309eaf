"""The supervision tree, and the alerts."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from aura_actors.edges.prometheus.forms import counter, counters, gauges
from aura_actors.wire.actors import ActorNode, Actors


def actors(tree: Actors) -> Iterator[Metric]:
    """Restarts, mailboxes, dead letters."""
    nodes = list(_walk(tree.root))
    boxes = {node.name: node.mailbox for node in nodes if node.mailbox is not None}
    yield counters("aura_actor_restarts", "Restarts of a child", "actor", {n.name: n.restarts for n in nodes})
    yield gauges(
        "aura_actor_mailbox_depth", "Messages that wait", "actor", {name: box.depth for name, box in boxes.items()}
    )
    yield counters(
        "aura_actor_handled_messages",
        "Messages handled",
        "actor",
        {name: box.handled for name, box in boxes.items()},
    )
    yield counters(
        "aura_actor_handler_seconds",
        "Time spent in the handler",
        "actor",
        {name: box.handler_seconds for name, box in boxes.items()},
    )
    yield counter("aura_actor_dead_letters", "Messages nobody will handle", tree.dead_letters)


def alerts(now: Mapping[str, bool]) -> Iterator[Metric]:
    """Thresholds by name, and whether each is exceeded."""
    yield gauges(
        "aura_alert_active",
        "1 while a value is above its threshold",
        "alert",
        {name: int(active) for name, active in now.items()},
    )


def _walk(node: ActorNode) -> Iterator[ActorNode]:
    for child in node.children:
        yield child
        yield from _walk(child)
