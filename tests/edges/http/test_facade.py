"""The framework as we use it: what it answers where no view of ours does."""

import logging
from typing import Any

import pytest

from aura_actors.messages import admission as m


@pytest.mark.parametrize("path", ["/health//live", "/api//admission/jobs", "/api/admission//jobs"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_path_with_a_slash_too_many_is_not_found(open_house: Any, method: str, path: str) -> None:
    async with open_house() as house:
        answer = await house.client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


async def test_a_slash_at_the_end_changes_nothing(open_house: Any) -> None:
    async with open_house() as house:
        assert (await house.client.get("/health/live/")).json() == {"status": "live"}


async def test_an_error_of_ours_is_logged_with_its_place_and_the_next_request_is_answered(
    open_house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house() as house:
        house.admission.answers[m.Describe] = "no view"
        with caplog.at_level(logging.ERROR):
            answer = await house.client.get("/api/admission/jobs")
        assert answer.status_code == 500
        assert answer.json()["detail"] == "an internal error; it was logged"
        (record,) = caplog.records
        assert record.getMessage() == "Exception on request GET /api/admission/jobs"
        assert record.exc_info is not None
        assert record.exc_info[0] is AttributeError
        assert (await house.client.get("/health/live")).status_code == 200
