"""The broker that the operator makes is the one that our processes need (its users: test_generated)."""

import unittest

from checks.configuration import secrets
from manifests import KUBERNETES, ROOT, Objects, kustomize_with

KINDS = ("imports", "reports", "workflows")


class Broker(unittest.TestCase):
    def test_the_cluster_has_the_settings_that_every_broker_needs(self):
        cluster = Objects(kustomize_with(["rabbitmq-operator"])).get("RabbitmqCluster", "bellwire-rabbitmq")
        wanted = [line for line in (ROOT / "infra/rabbitmq/bellwire.conf").read_text().splitlines() if line[:1] not in ("", "#")]
        self.assertEqual(cluster["spec"]["rabbitmq"]["additionalConfig"].splitlines(), wanted)

    def test_each_pod_is_told_a_user_that_there_is(self):
        users = {user["metadata"]["name"] for user in Objects(kustomize_with(["rabbitmq-operator"])).of("User")}
        example = (KUBERNETES / "secrets.example.yaml").read_text()
        for user in ["gateway", "scaler", *(f"worker.{kind}" for kind in KINDS)]:
            self.assertIn(f"bellwire.prod.{user}", users)
            self.assertIn(f"//bellwire.prod.{user}:", example)
        self.assertEqual(set(secrets()), {f"bellwire-{each}" for each in ("gateway", "scaler", *KINDS)})


if __name__ == "__main__":
    unittest.main()
