"""Every overlay and the components, alone and together, can be built, and nothing is wrong with it."""

import itertools
import re
import unittest
from concurrent.futures import ThreadPoolExecutor

import yaml
from checks import faults
from manifests import KUBERNETES, ROOT, Objects, kustomize, kustomize_with

SCALING = ((), ("keda",), ("hpa",))
ENTRY = ((), ("gateway-api",), ("ingress-nginx",), ("ingress-haproxy",))
OTHERS = ("azure", "network-policies", "monitoring", "rabbitmq-operator")


def combinations():
    """Each way to scale with each way in, without the others and with all of them, so that each two are once together; and each
    alone."""
    for scaling, entry in itertools.product(SCALING, ENTRY):
        yield scaling + entry
        yield scaling + entry + OTHERS
    for other in OTHERS:
        yield (other,)


class Overlays(unittest.TestCase):
    def test_each_overlay_is_without_a_fault(self):
        for overlay in sorted((KUBERNETES / "overlays").iterdir()):
            with self.subTest(overlay=overlay.name):
                self.assertEqual(faults(Objects(kustomize(overlay))), [])

    def test_components_alone_and_together_are_without_a_fault(self):
        with ThreadPoolExecutor() as pool:
            for components, objects in zip(combinations(), pool.map(kustomize_with, combinations())):
                with self.subTest(components=components):
                    self.assertEqual(faults(Objects(objects)), [])

    def test_an_overlay_of_ones_own_has_settings_and_definitions_as_the_guide_says(self):
        guide = re.search(r"```yaml\n(configMapGenerator:.*?)```", (ROOT / "docs/operating.md").read_text(), re.S)[1]
        mine = (KUBERNETES / "base/bellwire.toml").read_text() + '\n[log]\nfilter = "debug"\n'
        files = {"bellwire.toml": mine, "orders.toml": 'table = "orders"\n'}
        objects = Objects(kustomize_with(["keda"], files, **yaml.safe_load(guide)))
        self.assertEqual(faults(objects), [])
        volumes = {each["name"]: each for each in objects.get("Deployment", "bellwire-imports")["spec"]["template"]["spec"]["volumes"]}
        for volume, file in (("config", "bellwire.toml"), ("definitions", "orders.toml")):
            config = objects.get("ConfigMap", volumes[volume]["configMap"]["name"])
            self.assertEqual(config["data"], {file: files[file]})

    def test_no_component_is_forgotten(self):
        named = {each for components in combinations() for each in components}
        self.assertEqual(named, {folder.name for folder in (KUBERNETES / "components").iterdir()})


if __name__ == "__main__":
    unittest.main()
