"""What pods are told: keys of ConfigMaps and Secrets, settings, and the paths in them."""

from functools import cache

import settings
import yaml
from manifests import KUBERNETES, at, name

from .references import containers

# Where a setting names a place, and for whom.
PLACES = {
    "environment.hs256_secret_file": ("gateway",),
    "storage.url": ("gateway", "imports", "reports", "workflows"),
    "imports.definitions": ("imports",),
    "reports.definitions": ("reports",),
    "workflows.definitions": ("workflows",),
}


@cache
def secrets():
    """The keys of each Secret that an operator is told to make."""
    documents = yaml.safe_load_all((KUBERNETES / "secrets.example.yaml").read_text())
    return {each["metadata"]["name"]: set(each["stringData"]) for each in documents}


def keys_of_config_and_secrets_exist(objects):
    for one, pod in objects.workloads():
        for kind, source, key in _references(pod):
            if source.get("optional"):
                continue
            called = source.get("name") or source.get("secretName")
            config = objects.get(kind, called)
            keys = set(config.get("data", {})) if config else secrets().get(called) if kind == "Secret" else None
            if keys is None:
                yield f"{name(one)}: the {kind} {called!r} does not exist"
            elif key is not None and key not in keys:
                yield f"{name(one)}: the {kind} {called!r} has no key {key!r}"
    for each in objects.of("TriggerAuthentication"):
        for target in each["spec"]["secretTargetRef"]:
            if target["key"] not in secrets().get(target["name"], ()):
                yield f"{name(each)}: the Secret {target['name']!r} has no key {target['key']!r}"


def _references(pod):
    """Each ConfigMap and Secret that a pod names, with the key it wants of it."""
    for container in containers(pod):
        for variable in container.get("env", []):
            for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if source := at(variable, f"valueFrom.{field}"):
                    yield kind, source, source["key"]
        for source in container.get("envFrom", []):
            for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                if field in source:
                    yield kind, source[field], None
    for volume in at(pod, "spec.volumes", []):
        for field, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
            if field in volume:
                keys = [item["key"] for item in volume[field].get("items", [])]
                mounts = [mount for each in containers(pod) for mount in each.get("volumeMounts", [])]
                keys += [mount["subPath"] for mount in mounts if mount["name"] == volume["name"] and "subPath" in mount]
                yield from ((kind, volume[field], key) for key in keys or [None])


def settings_are_known(objects):
    for one, pod in objects.workloads():
        for variable in (each for container in containers(pod) for each in container.get("env", [])):
            if variable["name"].startswith("BELLWIRE_") and settings.of_variable(variable["name"]) not in settings.known():
                yield f"{name(one)}: {variable['name']} is no setting"
        if not settings.given(objects, pod):
            yield f"{name(one)}: it mounts no bellwire.toml"
        for path in settings.given(objects, pod):
            if path not in settings.known():
                yield f"{name(one)}: {path} in bellwire.toml is no setting"


def paths_are_mounted(objects):
    for one, pod in objects.workloads():
        if at(pod, "spec.containers.0.args.0") == "--config":
            mounts = {mount["mountPath"] for mount in at(pod, "spec.containers.0.volumeMounts", [])}
            if at(pod, "spec.containers.0.args.1") not in mounts:
                yield f"{name(one)}: its settings file is not mounted at {at(pod, 'spec.containers.0.args.1')!r}"
            component = at(pod, "metadata.labels", {}).get("app.kubernetes.io/component")
            for setting, whose in PLACES.items():
                place = settings.given(objects, pod).get(setting, "").removeprefix("file:")
                if component in whose and not any(place == mount or place.startswith(f"{mount}/") for mount in mounts):
                    yield f"{name(one)}: {setting} is {place!r}, and nothing is mounted there"
        else:
            yield f"{name(one)}: it is not told where its settings are (--config)"
