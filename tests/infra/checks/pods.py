"""How pods run, are asked whether they are well, and end."""

import re
from decimal import Decimal

import settings
from manifests import at, name

from .references import containers

POWERS = {"": 1, "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
LAST_ANSWERS = 5
# What a probe asks, how often, and how often in vain.
PROBES = {
    "gateway": {"startupProbe": ("/readyz", 2, 90), "readinessProbe": ("/readyz", 5, 2), "livenessProbe": ("/livez", 10, 6)},
    "worker": {"startupProbe": (None, None, None), "readinessProbe": ("/readyz", 5, 2), "livenessProbe": ("/livez", 10, 6)},
}


def component(pod):
    return at(pod, "metadata.labels", {}).get("app.kubernetes.io/component", "")


def profile_is_restricted(objects):
    for one, pod in objects.workloads():
        wanted = {
            "spec.automountServiceAccountToken": False,
            "spec.enableServiceLinks": False,
            "spec.securityContext.runAsNonRoot": True,
            "spec.securityContext.runAsUser": 10001,
            "spec.securityContext.seccompProfile.type": "RuntimeDefault",
        }
        for path, value in wanted.items():
            if at(pod, path, "nothing") != value:
                yield f"{name(one)}: {path} must be {value}, and is {at(pod, path, 'nothing')}"
        for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
            if at(pod, f"spec.{forbidden}"):
                yield f"{name(one)}: {forbidden} is forbidden"
        for volume in at(pod, "spec.volumes", []):
            if "hostPath" in volume:
                yield f"{name(one)}: hostPath is forbidden"
        for container in containers(pod):
            wanted = {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            for field, value in wanted.items():
                if at(container, f"securityContext.{field}", "nothing") != value:
                    yield f"{name(one)}: securityContext.{field} must be {value}"
            if not re.fullmatch(r"\S+:\d\S*", container["image"]):
                yield f"{name(one)}: the image {container['image']!r} has no version"


def probes_are_those_of_the_table(objects):
    for one, pod in objects.workloads():
        if one["kind"] != "Deployment":
            continue
        kind = "gateway" if component(pod) == "gateway" else "worker"
        port = int(settings.known()[f"{component(pod)}.admin_listen"])
        container = pod["spec"]["containers"][0]
        if {"name": "admin", "containerPort": port} not in container.get("ports", []):
            yield f"{name(one)}: the port admin must be {port}, as the binary listens"
        for probe, (path, period, failures) in PROBES[kind].items():
            found = container.get(probe, {})
            if (at(found, "httpGet.path"), found.get("periodSeconds"), found.get("failureThreshold")) != (path, period, failures):
                yield f"{name(one)}: {probe} must ask {path} each {period} s, {failures} times"
            if path is not None and at(found, "httpGet.port") != "admin":
                yield f"{name(one)}: {probe} must ask the port admin"


def the_end_has_time(objects):
    for one, pod in objects.workloads():
        if one["kind"] != "Deployment":
            continue
        limit = at(pod, "spec.terminationGracePeriodSeconds", 30)
        pause = at(pod, "spec.containers.0.lifecycle.preStop.sleep.seconds", 0)
        of = ["gateway.linger", "gateway.grace"] if component(pod) == "gateway" else [f"{component(pod)}.host.grace"]
        parts = {each: settings.seconds(settings.value(objects, pod, each)) for each in of}
        if component(pod) == "gateway" and pause < 5:
            yield f"{name(one)}: preStop must sleep while load balancers still send somebody"
        if pause + sum(parts.values()) + LAST_ANSWERS >= limit:
            words = ", ".join(f"{each} {seconds:g} s" for each, seconds in parts.items())
            yield (
                f"{name(one)}: preStop {pause} s, {words} and {LAST_ANSWERS} s of last answers do not fit into "
                f"terminationGracePeriodSeconds {limit}"
            )


def roll_outs_take_nothing_away(objects):
    for one, pod in objects.workloads():
        if one["kind"] != "Deployment":
            continue
        if at(one, "spec.strategy.rollingUpdate") != {"maxSurge": 1, "maxUnavailable": 0}:
            yield f"{name(one)}: a roll-out must add one pod and take none away (maxSurge 1, maxUnavailable 0)"
        startup = pod["spec"]["containers"][0].get("startupProbe", {})
        start = startup.get("periodSeconds", 0) * startup.get("failureThreshold", 0)
        if at(one, "spec.progressDeadlineSeconds", 600) <= start + at(one, "spec.minReadySeconds", 0):
            yield f"{name(one)}: progressDeadlineSeconds ends before a pod must have started ({start} s)"
        if component(pod) == "gateway" and at(one, "spec.minReadySeconds", 0) < 10:
            yield f"{name(one)}: minReadySeconds must be 10 at least, so that reconnects come in slices"
        if component(pod) == "gateway" and at(one, "spec.replicas", 2) < 2:
            yield f"{name(one)}: one pod alone is a hole in each roll-out"


def quantity(text):
    """A quantity of Kubernetes as a number; ValueError if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(text))
    if found is None or found[2] not in POWERS:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(found[1]) * POWERS[found[2]]


def resources_are_said(objects):
    for one, pod in objects.workloads():
        for container in containers(pod):
            resources = container.get("resources", {})
            try:
                numbers = {
                    (which, what): quantity(text) for which in ("requests", "limits") for what, text in resources.get(which, {}).items()
                }
            except ValueError as error:
                yield f"{name(one)}: resources: {error}"
                continue
            for wanted in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
                if wanted not in numbers:
                    yield f"{name(one)}: resources.{'.'.join(wanted)} is not said"
            for (which, what), number in numbers.items():
                if which == "requests" and numbers.get(("limits", what), number) < number:
                    yield f"{name(one)}: more {what} is requested than the limit"
                if what == "memory" and number < 2**26:
                    yield f"{name(one)}: {which}.memory of {number:f} bytes is a slip"
        for volume in at(pod, "spec.volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{name(one)}: the volume {volume['name']!r} has no sizeLimit"
    for claim in objects.of("PersistentVolumeClaim"):
        try:
            quantity(at(claim, "spec.resources.requests.storage"))
        except ValueError as error:
            yield f"{name(claim)}: storage: {error}"
