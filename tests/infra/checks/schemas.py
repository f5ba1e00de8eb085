"""The schemas of Kubernetes and of the custom resources; unknown fields are faults."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

from manifests import at, name

CRDS = Path(__file__).resolve().parents[1] / "crds"
VERSIONS = ("1.33", "1.37")
_seen = {}


def objects_are_valid(objects):
    for one in objects:
        key = json.dumps(one, sort_keys=True)
        if key not in _seen:
            _seen[key] = list(_faults(one))
        yield from _seen[key]


def _faults(one):
    crd = _crds().get((one["apiVersion"], one["kind"]))
    if crd is not None:
        for error in crd.iter_errors(one):
            yield f"{name(one)}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
    elif "." in one["apiVersion"].split("/")[0] and not one["apiVersion"].split("/")[0].endswith("k8s.io"):
        yield f"{name(one)}: nothing is known of {one['apiVersion']}"
    else:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name(one)}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"
            except Exception as error:  # noqa: BLE001: a kind that this version has not
                yield f"{name(one)}: Kubernetes {version}: {type(error).__name__}: {error}"


@cache
def _crds():
    """A validator for each custom resource, by its version and kind."""
    validators = {}
    for file in CRDS.glob("*.yaml"):
        for definition in yaml.safe_load_all(file.read_text()):
            for version in at(definition, "spec.versions", []):
                key = (f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"])
                schema = _closed(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                validators[key] = jsonschema.Draft7Validator(schema)
    return validators


def _closed(schema):
    """A schema that refuses fields which it does not name, as `kubectl apply --validate=strict` does."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _closed(value) for key, value in schema.items()}
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not is_open:
        schema["additionalProperties"] = False
    return schema


def triggers_have_known_parameters(objects):
    for one in objects.of("ScaledObject"):
        for trigger in one["spec"]["triggers"]:
            parameters = _parameters().get(trigger["type"])
            if parameters is None:
                yield f"{name(one)}: KEDA has no trigger {trigger['type']!r}"
                continue
            secret = objects.get("TriggerAuthentication", at(trigger, "authenticationRef.name", "")) or {}
            by_secret = {each["parameter"] for each in at(secret, "spec.secretTargetRef", [])}
            given = set(trigger["metadata"]) | by_secret
            for unknown in sorted(given - set(parameters)):
                yield f"{name(one)}: the trigger {trigger['type']} has no parameter {unknown!r}"
            for parameter, about in parameters.items():
                is_needed = not about.get("optional") and "default" not in about and parameter != "activationThreshold"
                if is_needed and parameter not in given:
                    yield f"{name(one)}: the trigger {trigger['type']} needs {parameter!r}"
                if parameter in trigger["metadata"] and not about.get("metadataVariableReadable"):
                    yield f"{name(one)}: {parameter!r} of the trigger {trigger['type']} comes from a TriggerAuthentication"
            for key, value in trigger["metadata"].items():
                if not isinstance(value, str):
                    yield f"{name(one)}: {key!r} of the trigger {trigger['type']} must be a text"


@cache
def _parameters():
    scalers = json.loads((CRDS / "keda-scalers-schema.json").read_text())["scalers"]
    return {scaler["type"]: {each["name"]: each for each in scaler["parameters"]} for scaler in scalers}
