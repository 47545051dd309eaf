"""Alerts: raised above a threshold, cleared below it by a margin, once each."""

from aura_actors.domain.alerts import Alerts, Threshold

CPU = Threshold(name="cpu", above=90, unit="%")


def observed(alerts: Alerts, *values: float | None) -> list[tuple[str, bool]]:
    changes = []
    for second, value in enumerate(values):
        changes += [(a.name, a.cleared_at is not None) for a in alerts.observe({"cpu": value}, second)]
    return changes


def test_a_value_above_the_threshold_raises_once() -> None:
    alerts = Alerts((CPU,))
    assert observed(alerts, 90, 91, 95, 92) == [("cpu", False)]
    assert [(a.value, a.raised_at) for a in alerts.active] == [(92, 1)]


def test_a_value_that_swings_around_the_threshold_is_one_alert() -> None:
    assert observed(Alerts((CPU,)), 91, 89, 91, 86, 91) == [("cpu", False)]


def test_an_alert_is_cleared_five_points_below() -> None:
    alerts = Alerts((CPU,))
    assert observed(alerts, 91, 85) == [("cpu", False)]
    assert alerts.states() == {"cpu": True}
    assert observed(alerts, 84.9) == [("cpu", True)]
    assert (alerts.active, alerts.states()) == ((), {"cpu": False})


def test_a_value_far_below_the_threshold_is_no_news() -> None:
    assert observed(Alerts((CPU,)), 10, 0) == []


def test_a_value_that_is_not_known_changes_nothing() -> None:
    alerts = Alerts((CPU,))
    assert observed(alerts, 91, None) == [("cpu", False)]
    assert len(alerts.active) == 1


def test_an_alert_of_a_low_threshold_can_be_cleared_too() -> None:
    alerts = Alerts((Threshold(name="cpu", above=4, unit="%"),))
    assert observed(alerts, 5, 2) == [("cpu", False)]
    assert observed(alerts, 1.9) == [("cpu", True)]


def test_other_thresholds_hold_from_the_next_reading_on() -> None:
    alerts = Alerts((Threshold(name="cpu", above=90, unit="%"),))
    alerts.observe({"cpu": 95.0}, 1.0)
    alerts.change((Threshold(name="cpu", above=99, unit="%"),))
    assert [alert.name for alert in alerts.active] == ["cpu"]
    (cleared,) = alerts.observe({"cpu": 93.0}, 2.0)
    assert cleared.cleared_at == 2.0
    assert alerts.observe({"cpu": 95.0}, 3.0) == []
