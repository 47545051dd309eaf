"""A secret does not reach the log, by whichever way it tries."""

import pytest

from aura_actors.cli.redaction import is_secret, redact


@pytest.mark.parametrize(
    "key",
    [
        *["token", "http.token", "api_token", "lease_id", "leaseId", "LEASE-ID", "Aura-Lease", "ticket"],
        *["Authorization", b"authorization", "password", "Set-Cookie"],
    ],
)
def test_keys_that_name_a_secret_are_known_in_any_spelling(key: object) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["token_file", "tokens_per_minute", "job_id", "lease_ttl", "secrets_count", 3])
def test_keys_that_only_resemble_one_are_left_alone(key: object) -> None:
    assert not is_secret(key)


def test_secrets_are_replaced_at_any_depth() -> None:
    event = {"job": "a", "token": "s3cret", "request": {"headers": [{"Authorization": "Bearer s3cret"}]}}
    assert redact(event) == {"job": "a", "token": "***", "request": {"headers": [{"Authorization": "***"}]}}


def test_a_missing_secret_is_seen_to_be_missing() -> None:
    assert redact({"token": None, "lease_id": ""}) == {"token": None, "lease_id": ""}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET / Authorization: Bearer s3cret-x HTTP/1.1", "GET / Authorization: Bearer *** HTTP/1.1"),
        ("/feed?token=s3cret&topic=a", "/feed?token=***&topic=a"),
        ("Aura-Lease: s3cret", "Aura-Lease: ***"),
        (b"bearer s3cret", "bearer ***"),
        ("nothing here", "nothing here"),
    ],
)
def test_a_secret_inside_a_text_is_replaced(text: object, shown: str) -> None:
    assert redact(text) == shown


def test_known_secrets_are_replaced_wherever_they_stand() -> None:
    assert redact({"error": "bad value 'hunter2' in (1, hunter2)"}, ["hunter2"]) == {
        "error": "bad value '***' in (1, ***)"
    }


def test_values_that_are_no_text_pass_unchanged() -> None:
    assert redact({"n": 1, "x": 1.5, "none": None, "flags": (True,)}) == {
        "n": 1,
        "x": 1.5,
        "none": None,
        "flags": [True],
    }
