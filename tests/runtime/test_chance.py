"""Secrets: as many as are asked for, all different, of 18 bytes each."""

import base64
from itertools import islice

from aura_actors.runtime.chance import AT_ONCE, SECRET_BYTES, unguessable


def test_every_secret_is_another_and_whole_across_what_is_drawn_together() -> None:
    drawn = list(islice(unguessable(), 10 * AT_ONCE + 1))
    assert len(set(drawn)) == len(drawn)
    assert {len(base64.b64decode(secret, altchars=b"-_", validate=True)) for secret in drawn} == {SECRET_BYTES}


def test_two_supplies_share_nothing() -> None:
    assert not set(islice(unguessable(), AT_ONCE)) & set(islice(unguessable(), AT_ONCE))
