"""deploy/prometheus and deploy/grafana: what they ask for is what the service tells."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client import REGISTRY

from rig import ROOT

ALERTS = ROOT / "deploy/prometheus/redirect-alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/phone-redirect.json"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)


def promtool(*arguments: str | Path, folder: Path = ROOT) -> str:
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    """What Grafana asks, with its own variable filled in."""
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m")


def label_values(query: str) -> Iterator[tuple[str, str, str]]:
    """Each metric of a query with a label and a value that the query picks."""
    for metric, matchers in re.findall(r"(redirect_\w+)\{([^}]*)\}", query):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            for value in values.split("|"):
                yield metric, label, value


@pytest.mark.django_db
def test_every_metric_that_is_asked_for_exists(settings: Any) -> None:
    settings.METRICS_ADDRESSES = [ip_network("127.0.0.1")]
    scrape = Client().get("/metrics").content.decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scrape, re.MULTILINE))
    histograms = [name for name in types if types[name] == "histogram"]
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    asked = {name for query in [*queries(), *(rule["expr"] for rule in alerts())] for name in names(query)}
    assert len(asked) >= 15
    assert asked <= set(types) | parts


def names(query: str) -> set[str]:
    return set(re.findall(r"\bredirect_[a-z_]+", query))


def test_every_value_that_an_alert_picks_exists() -> None:
    told = {
        (sample.name, label, value)
        for family in REGISTRY.collect()
        for sample in family.samples
        for label, value in sample.labels.items()
    }
    picked = [found for rule in alerts() for found in label_values(rule["expr"])]
    assert len(picked) >= 5
    # A status is shown from its first answer on, and those of errors should never be.
    assert [found for found in picked if found not in told and found[1] != "status"] == []


def test_every_alert_says_what_to_do() -> None:
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
    assert sum(rule["labels"]["severity"] == "page" for rule in alerts()) == 5


def test_no_panel_overlaps_another() -> None:
    seen: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & seen, panel["title"]
        assert at["x"] + at["w"] <= 24
        seen |= cells


@needs_promtool
def test_the_configuration_is_sound(tmp_path: Path) -> None:
    shutil.copytree(ALERTS.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "redirect-metrics-token").touch()
    assert "SUCCESS: prometheus.yml is valid" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


@needs_promtool
def test_the_alerts_fire_when_they_should_and_not_else() -> None:
    promtool("test", "rules", "alerts.yml", folder=ROOT / "tests/operations")


@needs_promtool
def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", file)
