"""Schemathesis asks a whole runtime what its OpenAPI document allows, and more: every answer must be one of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from aura_actors.testing import open_test_runtime
from tests.effort import effort

EXAMPLES = str(effort("AURA_SCHEMATHESIS_EXAMPLES", desk=3, ci=20))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
# Not what changes the machine or the answers of everybody else.
LEFT_OUT = "drain|gpu|cleanup"


@pytest.mark.external
@pytest.mark.timeout(300)
async def test_every_answer_is_one_of_the_document(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("schemathesis"))
    async with open_test_runtime(tmp_path / "data") as house:
        command = [
            program, "run", f"{house.http}/openapi.json", "--phases", "fuzzing,stateful", "--max-examples",
            EXAMPLES, "--seed", "1", "--exclude-path-regex", LEFT_OUT,
            "--request-timeout", "20", "--checks", CHECKS,
        ]  # fmt: skip
        done = await trio.run_process(
            command, capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=tmp_path
        )
    assert done.returncode == 0, done.stdout.decode()[-4000:]
