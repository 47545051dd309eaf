"""What a client's text means, and where it is at fault."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.edges.feed.protocol import Mistake, decode
from aura_actors.wire.feed import Subscribe, Unsubscribe

TOPICS = ("system", "alerts")


def pointer(text: str) -> str:
    """Where the mistake is."""
    frame = decode(text, TOPICS)
    assert isinstance(frame, Mistake)
    assert frame.detail
    return frame.pointer


def test_frames_are_read() -> None:
    """With and without the optional members."""
    assert decode('{"type":"subscribe","topics":["system"]}', TOPICS) == Subscribe(topics=["system"])
    frame = decode(
        '{"topics":["alerts"],"intervalMs":5000,"since":{"system":{"epoch":"e","seq":3}},"type":"subscribe"}',
        TOPICS,
    )
    assert isinstance(frame, Subscribe)
    assert frame.interval_ms == 5000
    assert decode('{"type":"unsubscribe","topics":["system"]}', TOPICS) == Unsubscribe(topics=["system"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        ('"subscribe"', ""),
        ("NaN", ""),
        ('{"topics":["system"],"x":' + "[" * 3000, ""),
        ("{}", "/type"),
        ('{"type":"shout","topics":["system"]}', "/type"),
        ('{"type":7}', "/type"),
        ('{"type":"subscribe"}', "/topics"),
        ('{"type":"subscribe","topics":[]}', "/topics"),
        ('{"type":"subscribe","topics":"system"}', "/topics"),
        ('{"type":"subscribe","topics":["system",7]}', "/topics/1"),
        ('{"type":"subscribe","topics":["system","weather"]}', "/topics/1"),
        ('{"type":"unsubscribe","topics":["weather"]}', "/topics/0"),
        ('{"type":"subscribe","topics":["system"],"interval":5}', "/interval"),
        ('{"type":"subscribe","topics":["system"],"a/b~c":5}', "/a~1b~0c"),
        ('{"type":"subscribe","topics":["system"],"intervalMs":0}', "/intervalMs"),
        ('{"type":"subscribe","topics":["system"],"intervalMs":60001}', "/intervalMs"),
        ('{"type":"subscribe","topics":["system"],"intervalMs":"1s"}', "/intervalMs"),
        ('{"type":"subscribe","topics":["system"],"since":{"weather":{"epoch":"e","seq":1}}}', "/since/weather"),
        ('{"type":"subscribe","topics":["system"],"since":{"system":{"epoch":"e"}}}', "/since"),
        ('{"type":"subscribe","topics":["system"],"since":{"system":{"epoch":"e","seq":-1}}}', "/since"),
        ('{"type":"unsubscribe","topics":["system"],"intervalMs":5}', "/intervalMs"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, expected: str) -> None:
    """By a JSON pointer into the client's frame; empty for the whole of it."""
    assert pointer(text) == expected


JSON = st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.text(max_size=200) | JSON.map(json.dumps))
def test_any_text_is_a_frame_or_a_mistake(text: str) -> None:
    """Nothing a client writes raises."""
    assert isinstance(decode(text, TOPICS), Subscribe | Unsubscribe | Mistake)


def test_a_name_that_is_refused_is_told_what_it_may_be() -> None:
    mistake = decode('{"type":"acquire","id":1,"jobId":"a b"}', TOPICS)
    assert isinstance(mistake, Mistake)
    assert mistake.detail == "Expected letters, digits and ._:-, but neither . nor .."
