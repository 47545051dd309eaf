"""Clients of plain HTTP on loopback: no proxies of the environment; no certificates, which take 30 ms to read."""

from typing import Any

import httpx2


def sync_client(url: str, **options: Any) -> httpx2.Client:
    """For threads."""
    return httpx2.Client(base_url=url, trust_env=False, verify=False, **options)


def async_client(url: str, **options: Any) -> httpx2.AsyncClient:
    """For either loop."""
    return httpx2.AsyncClient(base_url=url, trust_env=False, verify=False, **options)
