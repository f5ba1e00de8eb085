"""Alerts and dashboards ask for what processes say: docs/metrics.md, which tests/tests/metrics.rs compares with live ones."""

import json
import re
import subprocess
import unittest

import yaml
from manifests import ROOT, Objects, kustomize_with

RULES = ROOT / "infra/prometheus/rules.yaml"
SAID = set(re.findall(r"^\| `(bellwire_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.M))


def metrics(expression):
    """The metrics that an expression asks for, without what a histogram adds to its name."""
    names = set(re.findall(r"\bbellwire_\w+", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name not in SAID else name for name in names}


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions():
    """Each expression with the place where it stands."""
    for alert in alerts():
        yield alert["alert"], alert["expr"]
    for file in sorted((ROOT / "infra/grafana").glob("*.json")):
        dashboard = json.loads(file.read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", target["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{file.name}: the variable {variable['name']}", variable["query"]
    for scaler in Objects(kustomize_with(["keda"])).of("ScaledObject"):
        for trigger in scaler["spec"]["triggers"]:
            if "query" in trigger["metadata"]:
                yield scaler["metadata"]["name"], trigger["metadata"]["query"]
    for scaler in Objects(kustomize_with(["hpa"])).of("HorizontalPodAutoscaler"):
        yield scaler["metadata"]["name"], scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]


class Prometheus(unittest.TestCase):
    def promtool(self, *arguments):
        done = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_are_rules(self):
        self.promtool("check", "rules", "rules.yaml")

    def test_alerts_fire_when_they_should_and_not_else(self):
        self.promtool("test", "rules", "rules.test.yaml")

    def test_every_alert_is_tested_both_ways_and_explained(self):
        tests = yaml.safe_load((RULES.parent / "rules.test.yaml").read_text())["tests"]
        cases = {(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]}
        explained = set(re.findall(r"`(Bellwire\w+)`", (ROOT / "docs/operating.md").read_text()))
        for alert in alerts():
            self.assertLessEqual({(alert["alert"], True), (alert["alert"], False)}, cases)
            self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
        self.assertEqual({alert["alert"] for alert in alerts()}, explained, "docs/operating.md says what to do for each alert")

    def test_only_what_processes_say_is_asked_for(self):
        self.assertGreater(len(SAID), 30)
        for place, expression in expressions():
            with self.subTest(place):
                self.assertTrue(metrics(expression), f"{expression} asks for nothing of ours")
                self.assertEqual(metrics(expression) - SAID, set(), "not in docs/metrics.md")

    def test_expressions_of_dashboards_can_be_read(self):
        """promtool reads rules only, so each is made one."""
        rules = [
            {"record": "any", "expr": expression.replace("$namespace", "bellwire")}
            for place, expression in expressions()
            if not expression.startswith("label_values")
        ]
        text = yaml.safe_dump({"groups": [{"name": f"panel {at}", "rules": [rule]} for at, rule in enumerate(rules)]})
        done = subprocess.run(["promtool", "check", "rules", "/dev/stdin"], input=text, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_places_of_panels_do_not_overlap(self):
        for file in (ROOT / "infra/grafana").glob("*.json"):
            panels = json.loads(file.read_text())["panels"]
            cells = [
                (x, y)
                for at in (panel["gridPos"] for panel in panels)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            ]
            self.assertEqual(len(cells), len(set(cells)), file.name)


if __name__ == "__main__":
    unittest.main()
