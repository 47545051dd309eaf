"""Calls to a language model under the provider's limits: slots, requests and tokens per minute are the daemon's.

    python examples/llm_caller.py http://127.0.0.1:9000/v1/complete "first question" "second question"

Each call reserves an estimate of its tokens and settles it to what was used; 429 and 503 are told to the daemon,
which lowers the provider's limit where `adaptive = true`. AURA_URL says where the daemon is.
"""

import asyncio
import sys

import httpx2

import aura_actors

PROVIDER = "OpenAI"
ANSWER_TOKENS = 200
ATTEMPTS = 5
THROTTLED = (429, 503)


async def call(aura: aura_actors.Aura, client: httpx2.AsyncClient, url: str, prompt: str) -> str:
    """One answer. Raises RuntimeError where the provider refuses every attempt."""
    estimate = len(prompt) // 4 + ANSWER_TOKENS
    for attempt in range(ATTEMPTS):
        async with aura.provider(PROVIDER, tokens=estimate, wait="10m") as slot:
            answer = await client.post(url, json={"prompt": prompt, "max_tokens": ANSWER_TOKENS})
            if answer.status_code not in THROTTLED:
                answer.raise_for_status()
                said = answer.json()
                slot.settle(tokens=said["tokens"], outcome="ok")
                return str(said["text"])
            slot.settle(tokens=0, outcome="throttled")
        await asyncio.sleep(0.1 * 2**attempt)
    raise RuntimeError(f"the provider refused {prompt!r} {ATTEMPTS} times")


async def main(url: str, prompts: list[str]) -> None:
    """All of them at once: the daemon keeps the order."""
    async with (
        aura_actors.connect() as aura,
        httpx2.AsyncClient(timeout=60) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(call(aura, client, url, prompt)) for prompt in prompts]
    for task in tasks:
        print(task.result())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
