"""What kustomize renders of infra/kubernetes, and how the checks look at it."""

import os
import subprocess
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "infra/kubernetes"


def kustomize(folder):
    """The objects of a kustomization."""
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{folder} cannot be built: {done.stderr.strip()}")
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def kustomize_with(components, files=None, **more):
    """The objects of the base with these components, and with what else an overlay says and the files that it has."""
    with tempfile.TemporaryDirectory() as folder:
        for file, text in (files or {}).items():
            Path(folder, file).write_text(text)
        here = lambda path: os.path.relpath(KUBERNETES / path, Path(folder).resolve())
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "bellwire",
            "resources": [here("base")],
            "components": [here(f"components/{name}") for name in components],
            **more,
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return kustomize(folder)


def name(one):
    """How faults call an object."""
    return f"{one['kind']} {one['metadata']['name']}"


def at(one, path, default=None):
    """What lies at a dotted path of an object."""
    for key in path.split("."):
        if isinstance(one, list):
            one = one[int(key)] if int(key) < len(one) else None
        elif isinstance(one, dict):
            one = one.get(key)
        if one is None:
            return default
    return one


class Objects(list):
    """The objects of one rendering."""

    def of(self, *kinds):
        return [one for one in self if one["kind"] in kinds]

    def get(self, kind, called):
        return next((one for one in self.of(kind) if one["metadata"]["name"] == called), None)

    def workloads(self):
        """What makes pods: its object and the pod's template."""
        return [(one, one["spec"]["template"]) for one in self.of("Deployment", "Job")]

    def selected(self, selector):
        """The workloads whose pods a selector means; one without words means all."""
        return [(one, pod) for one, pod in self.workloads() if matches(selector or {}, at(pod, "metadata.labels", {}))]


def matches(selector, labels):
    """Whether a selector means these labels."""
    pairs = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    if any(labels.get(key) != value for key, value in pairs.items()):
        return False
    for expression in selector.get("matchExpressions", []):
        value, values = labels.get(expression["key"]), expression.get("values", [])
        holds = {"In": value in values, "NotIn": value not in values, "Exists": value is not None, "DoesNotExist": value is None}
        if not holds[expression["operator"]]:
            return False
    return True
