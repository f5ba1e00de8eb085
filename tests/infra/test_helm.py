"""The chart renders what kustomize renders, object by object."""

import copy
import re
import subprocess
import unittest

import yaml
from manifests import ROOT, Objects, at, kustomize, kustomize_with

CHART = ROOT / "infra/helm/bellwire"
# Values, and the components that they stand for.
CASES = {
    (): (),
    ("scaling=keda", "entry=gateway-api", "networkPolicies=true", "monitoring=true"): (
        "keda",
        "gateway-api",
        "network-policies",
        "monitoring",
    ),
    ("scaling=hpa", "entry=ingress-nginx"): ("hpa", "ingress-nginx"),
    ("entry=ingress-haproxy", "azure=true"): ("ingress-haproxy", "azure"),
}


def helm(*arguments):
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def chart(*values):
    flags = [flag for value in values for flag in ("--set", value)]
    return list(yaml.load_all(helm("template", "bellwire", str(CHART), "--namespace", "bellwire", *flags), Loader=yaml.CSafeLoader))


def comparable(objects):
    """Objects by kind and name, without what the two tools do otherwise: namespaces, and how a new config makes new pods."""
    found = {}
    for one in copy.deepcopy(objects):
        one["metadata"].pop("namespace", None)
        if at(one, "spec.template.metadata.annotations") is not None:
            del one["spec"]["template"]["metadata"]["annotations"]
        text = re.sub(r"\bbellwire(-dashboards)?-[2-9bcdfghkmt]{10}\b", r"bellwire\1", yaml.safe_dump(one))
        found[one["kind"], re.sub(r"^(bellwire(-dashboards)?)-[2-9bcdfghkmt]{10}$", r"\1", one["metadata"]["name"])] = yaml.safe_load(text)
    return found


class Chart(unittest.TestCase):
    maxDiff = 4000

    def test_it_renders_what_kustomize_renders(self):
        for values, components in CASES.items():
            with self.subTest(values=values):
                rendered, built = comparable(chart(*values)), comparable(kustomize_with(components))
                self.assertEqual(sorted(rendered), sorted(built))
                for key, one in built.items():
                    self.assertEqual(rendered[key], one)

    def test_it_renders_the_overlay_for_production(self):
        values = [*list(CASES)[1], "image=registry.example.com/bellwire:0.1.0"]
        built = comparable(kustomize(ROOT / "infra/kubernetes/overlays/production"))
        del built["Namespace", "bellwire"]  # it is made by who installs the chart
        self.assertEqual(comparable(chart(*values)), built)

    def test_values_go_where_they_belong(self):
        env = ["env[0].name=BELLWIRE_LOG__FILTER", "env[0].value=debug"]
        values = ["scaling=keda", "environment=qa", "imports.maxReplicas=3", "entry=ingress-nginx", "host=qa.example.com", *env]
        objects = Objects(chart(*values))
        config = next(one for one in objects.of("ConfigMap"))["data"]["bellwire.toml"]
        self.assertIn('name = "qa"', config)
        scaler = objects.get("ScaledObject", "bellwire-imports")["spec"]
        self.assertEqual(scaler["maxReplicaCount"], 3)
        self.assertIn(r"^bellwire\.qa\.jobs\.imports(", scaler["triggers"][0]["metadata"]["queueName"])
        self.assertEqual(objects.get("Ingress", "bellwire")["spec"]["rules"][0]["host"], "qa.example.com")
        for one, pod in objects.workloads():
            self.assertIn({"name": "BELLWIRE_LOG__FILTER", "value": "debug"}, at(pod, "spec.containers.0.env"), one["metadata"])
        self.assertNotIn("bellwire.prod", yaml.safe_dump(list(objects)))

    def test_pods_are_replaced_when_their_settings_change(self):
        checksum = lambda *values: at(Objects(chart(*values)).get("Deployment", "bellwire-gateway"), "spec.template.metadata.annotations")
        self.assertEqual(checksum(), checksum("scaling=keda"))
        self.assertNotEqual(checksum(), checksum("environment=qa"))

    def test_helm_finds_nothing_wrong(self):
        self.assertIn("0 chart(s) failed", helm("lint", str(CHART)))


if __name__ == "__main__":
    unittest.main()
