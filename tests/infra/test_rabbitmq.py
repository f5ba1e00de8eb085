"""The broker's users are the same for the operator of Kubernetes and for those who import definitions."""

import subprocess
import unittest

from checks.configuration import secrets
from manifests import KUBERNETES, ROOT, Objects, kustomize_with

KINDS = ("imports", "reports", "workflows")
MAKE = "infra/rabbitmq/roles.sh prod imports reports workflows | infra/rabbitmq/operator_roles.py"
COMPONENT = KUBERNETES / "components/rabbitmq-operator"


class Broker(unittest.TestCase):
    def test_the_users_of_the_operator_are_those_of_roles(self):
        made = subprocess.run(MAKE, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        path = (COMPONENT / "roles.yaml").relative_to(ROOT)
        self.assertEqual((ROOT / path).read_text(), made.removesuffix("---\n"), f"make it anew: {MAKE} | sed '$d' >{path}")

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
