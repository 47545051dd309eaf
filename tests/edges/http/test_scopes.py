"""What each token opens, over a real socket against a whole runtime."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from aura_actors.config import HttpToken, Secret
from aura_actors.config.sections import Http
from aura_actors.edges.http.api import Answer, Call, Operations, usual_scope
from aura_actors.edges.http.operations import OPERATIONS
from aura_actors.testing import open_test_runtime
from aura_actors.wire.scopes import SCOPES, Scope
from tests.plain import async_client

TOKENS = tuple(HttpToken(name=scope, scopes=(scope,), token=Secret(f"s3cret-{scope}")) for scope in sorted(SCOPES))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    http = Http(token=Secret("s3cret"), tokens=TOKENS)
    async with (
        open_test_runtime(folder / "data", http=http) as house,
        async_client(house.http) as client,
    ):
        yield client


def shown(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer s3cret-{name}"}


def test_every_operation_needs_the_scope_that_the_design_gives_it() -> None:
    """A new operation that changes something and is not about leases is for operators, unless it says otherwise."""
    for operation in OPERATIONS:
        path, needed = operation.path, operation.scope
        if path.startswith("/health/"):
            assert needed is None
        elif operation.method == "GET":
            assert needed == "read", path
        elif path.endswith(("/revoke", "/drain")) or path.startswith(("/api/cleanup", "/api/gpu")):
            assert needed == "operate", path
        else:
            assert path.startswith(("/api/admission/", "/api/providers/")), path
            assert needed == "admit", path


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/admission/jobs", "read"),
        ("POST", "/api/admission/jobs", "admit"),
        ("POST", "/api/admission/batch", "admit"),
        ("DELETE", "/api/admission/jobs/{jobId}", "admit"),
        ("POST", "/api/admission/jobs/{jobId}/revoke", "operate"),
        ("POST", "/api/admission/drain", "operate"),
        ("DELETE", "/api/providers/{name}/slots/{slotId}", "admit"),
        ("POST", "/api/cleanup/{task}/run", "operate"),
        ("POST", "/api/cleanup/runs/{runId}/undo", "operate"),
        ("POST", "/api/gpu/release", "operate"),
        ("POST", "/api/anything/new", "operate"),
        ("PUT", "/api/admissions", "operate"),
        ("GET", "/health/live", None),
    ],
)
def test_an_operation_that_names_no_scope_gets_the_usual_one(method: str, path: str, scope: Scope | None) -> None:
    assert usual_scope(method, path) == scope


def test_an_operation_may_name_its_scope() -> None:
    operations = Operations("x")

    @operations.add("POST", "/api/x", responses={}, scope="admit")
    async def do(call: Call) -> Answer:
        """Do."""
        return Answer(body=b"")

    assert operations.all[0].scope == "admit"


async def test_a_token_opens_its_scopes_operations_and_no_others(tmp_path: Path) -> None:
    """403 comes before anything is decoded: these bodies are no JSON, and the paths name nothing."""
    async with served(tmp_path) as client:
        for operation in OPERATIONS:
            if operation.scope is None:
                continue
            path = operation.path.replace("{", "").replace("}", "")
            for token in SCOPES:
                if token == operation.scope:
                    continue
                answer = await client.request(operation.method, path, headers=shown(token), content=b"no json")
                assert answer.status_code == 403, (path, token)
                assert operation.scope in answer.json()["detail"]
                assert f'scope="{operation.scope}"' in answer.headers["www-authenticate"]
                assert "s3cret" not in answer.text


@pytest.mark.parametrize("path", ["/metrics", "/api/metrics/prometheus", "/openapi.json", "/docs", "/api/actors"])
async def test_what_is_read_needs_read(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as client:
        answers = {name: (await client.get(path, headers=shown(name))).status_code for name in SCOPES}
        assert answers == {"read": 200, "admit": 403, "operate": 403}
        assert (await client.head(path, headers=shown("admit"))).status_code == 403


async def test_the_right_scope_is_enough_and_the_single_token_opens_everything(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        job = {"jobId": "a", "memoryBytes": 1}
        for headers in (shown("admit"), {"Authorization": "Bearer s3cret"}):
            assert (await client.post("/api/admission/preflight", json=job, headers=headers)).status_code == 200
        for headers in (shown("operate"), {"Authorization": "Bearer s3cret"}):
            answer = await client.post("/api/cleanup/temp-files/run", json={"dryRun": True}, headers=headers)
            assert answer.status_code == 202
        assert (await client.get("/api/actors", headers={"Authorization": "Bearer s3cret"})).status_code == 200


async def test_scopes_come_before_the_values_in_the_path(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        wrong = "/api/cleanup/" + "x" * 500 + "/run"
        assert (await client.post(wrong, headers=shown("read"))).status_code == 403
        assert (await client.post(wrong, headers=shown("operate"))).status_code == 422


async def test_the_page_and_health_are_open_whatever_the_token(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for path in ("/", "/static/app.js", "/health/live"):
            for headers in ({}, shown("admit"), {"Authorization": "Bearer wrong"}):
                assert (await client.get(path, headers=headers)).status_code == 200


async def test_a_wrong_token_is_unauthorized_and_not_forbidden(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for headers in ({}, shown("nothing")):
            answer = await client.post("/api/cleanup/temp-files/run", headers=headers)
            assert answer.status_code == 401


async def test_the_document_says_which_scope_an_operation_needs(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        document = (await client.get("/openapi.json", headers=shown("read"))).json()
        for operation in OPERATIONS:
            security = document["paths"][operation.path][operation.method.lower()]["security"]
            assert security == ([{}] if operation.scope is None else [{}, {"bearer": [operation.scope]}])
        assert document["paths"]["/metrics"]["get"]["security"] == [{}, {"bearer": ["read"]}]
        assert "that a token needs" in (await client.get("/docs", headers=shown("read"))).text


async def test_whoever_asks_is_told_which_scopes_it_has(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        reader = (await client.get("/api/access", headers=shown("read"))).json()
        assert reader == {"owner": "read", "scopes": ["read"]}
        everything = (await client.get("/api/access", headers={"Authorization": "Bearer s3cret"})).json()
        assert everything == {"owner": "anonymous", "scopes": ["admit", "operate", "read"]}
