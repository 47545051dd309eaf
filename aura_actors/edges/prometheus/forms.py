"""Families from plain dicts: what is not known has no sample."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Value = float | int | None
K = TypeVar("K", bound=str | tuple[str, ...])


def gauge(name: str, text: str, value: Value) -> Metric:
    """One number without labels."""
    return gauges(name, text, (), {(): value})


def gauges(name: str, text: str, label: str | Sequence[str], values: Mapping[K, Value]) -> Metric:
    """A number per label value, or per tuple of them where there are several labels."""
    return _filled(GaugeMetricFamily(name, text, labels=_names(label)), values)


def counters(name: str, text: str, label: str | Sequence[str], values: Mapping[K, Value]) -> Metric:
    """As `gauges`, for what only grows."""
    return _filled(CounterMetricFamily(name, text, labels=_names(label)), values)


def counter(name: str, text: str, value: Value) -> Metric:
    """One count without labels."""
    return counters(name, text, (), {(): value})


def _names(label: str | Sequence[str]) -> Sequence[str]:
    return [label] if isinstance(label, str) else label


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[K, Value]) -> Metric:
    """Add a sample per value; a value that is not known has no sample, never a 0."""
    for key, value in values.items():
        if value is not None:
            family.add_metric([key] if isinstance(key, str) else list(key), value)
    return family
