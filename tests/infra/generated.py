"""Files that are made of others: `tests/infra/run.sh --write` makes them anew, and test_generated compares."""

import os
import subprocess
import tempfile

import chart
import yaml
from manifests import ROOT

TEMPLATES = "infra/helm/bellwire/templates"
ROLES = ("infra/rabbitmq/roles.sh", "prod", "imports", "reports", "workflows")


def operator_roles():
    """The broker's users for RabbitMQ's operator."""
    with tempfile.TemporaryDirectory() as folder:
        passwords = os.environ | {"BELLWIRE_PASSWORDS": f"{folder}/passwords"}
        roles = subprocess.run(ROLES, cwd=ROOT, env=passwords, capture_output=True, check=True).stdout
    made = subprocess.run("infra/rabbitmq/operator_roles.py", cwd=ROOT, input=roles, capture_output=True, check=True)
    return made.stdout.decode().removesuffix("---\n")


def prometheus_rule():
    """The alerts for Prometheus' operator."""
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "bellwire"},
        "spec": yaml.safe_load((ROOT / "infra/prometheus/rules.yaml").read_text()),
    }
    return "# Made of infra/prometheus/rules.yaml by tests/infra/run.sh --write.\n" + yaml.safe_dump(rule, sort_keys=False, width=130)


def files():
    """Each such file by its path."""
    templates = {f"{TEMPLATES}/{name}": text for name, text in chart.templates().items()}
    return templates | {
        "infra/kubernetes/components/rabbitmq-operator/roles.yaml": operator_roles(),
        "infra/kubernetes/components/monitoring/rules.yaml": prometheus_rule(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
        print(path)
