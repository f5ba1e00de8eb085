"""Every overlay and the components, alone and together, can be built, and nothing is wrong with it."""

import itertools
import unittest
from concurrent.futures import ThreadPoolExecutor

from checks import faults
from manifests import KUBERNETES, Objects, kustomize, kustomize_with

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

    def test_no_component_is_forgotten(self):
        named = {each for components in combinations() for each in components}
        self.assertEqual(named, {folder.name for folder in (KUBERNETES / "components").iterdir()})


if __name__ == "__main__":
    unittest.main()
