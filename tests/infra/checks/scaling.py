"""What scales, by what, and how far."""

import re

import settings
from manifests import ROOT, at, name

from .pods import component


def scalers(objects):
    """Each scaler with the kind and name of its target and its bounds."""
    for one in objects.of("ScaledObject"):
        target = one["spec"]["scaleTargetRef"]
        bounds = (one["spec"].get("minReplicaCount", 0), one["spec"].get("maxReplicaCount", 100))
        yield one, (target.get("kind", "Deployment"), target["name"]), bounds
    for one in objects.of("HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]
        yield one, (target["kind"], target["name"]), (one["spec"].get("minReplicas", 1), one["spec"]["maxReplicas"])


def each_target_exists_and_is_left_alone(objects):
    scaled = {}
    for one, target, _ in scalers(objects):
        found = objects.get(*target)
        if found is None:
            yield f"{name(one)}: its target {' '.join(target)} does not exist"
        elif "replicas" in found["spec"]:
            yield f"{name(one)}: {name(found)} has replicas of its own, which every apply would put back"
        if target in scaled:
            yield f"{name(one)}: {scaled[target]} scales {' '.join(target)} as well"
        scaled[target] = name(one)
    for one in objects.of("Deployment"):
        if ("Deployment", one["metadata"]["name"]) not in scaled and "replicas" not in one["spec"]:
            yield f"{name(one)}: nobody says how many there are"


def bounds_are_sensible(objects):
    for one, (_, target), (least, most) in scalers(objects):
        if least > most:
            yield f"{name(one)}: its minimum {least} is above its maximum {most}"
        if target in ("bellwire-gateway", "bellwire-workflows") and least < 2:
            yield f"{name(one)}: of {target} there must be two at least"
        if one["kind"] == "ScaledObject" and at(one, "spec.fallback.behavior") != "currentReplicasIfHigher":
            yield f"{name(one)}: without its source it must keep what runs (fallback currentReplicasIfHigher)"
        if least == 0 and one["spec"].get("initialCooldownPeriod", 0) < one["spec"].get("cooldownPeriod", 300):
            yield f"{name(one)}: initialCooldownPeriod must not be below cooldownPeriod, or a new worker ends at once"


def triggers_ask_for_something(objects):
    for one in objects.of("ScaledObject"):
        for trigger in one["spec"]["triggers"]:
            given = trigger["metadata"]
            if trigger.get("metricType") != "AverageValue":
                yield f"{name(one)}: metricType must be AverageValue"
            if trigger["type"] == "prometheus":
                yield from _asks(one, given.get("query", ""), given.get("threshold", ""))
                if given.get("ignoreNullValues") != "false":
                    yield f"{name(one)}: with ignoreNullValues nothing measured counts as nobody connected"
            elif trigger["type"] == "rabbitmq":
                kind = one["spec"]["scaleTargetRef"]["name"].removeprefix("bellwire-")
                concurrency = settings.known()[f"{kind}.host.concurrency"]
                if (given.get("protocol"), given.get("mode"), given.get("operation")) != ("http", "QueueLength", "sum"):
                    yield f"{name(one)}: only protocol http, mode QueueLength and operation sum count all jobs of a kind"
                if given.get("excludeUnacknowledged", "false") != "false":
                    yield f"{name(one)}: the jobs that workers hold must count (excludeUnacknowledged)"
                if given.get("value") != str(concurrency):
                    yield f"{name(one)}: value must be {concurrency}, as many as a worker runs ({kind}.host.concurrency)"
    for one in objects.of("HorizontalPodAutoscaler"):
        for metric in one["spec"].get("metrics", []):
            pods = metric.get("pods", {})
            yield from _asks(one, at(pods, "metric.name", ""), at(pods, "target.averageValue", "").replace("k", "000"))


def _asks(one, query, threshold):
    capacity = settings.known()["gateway.connections"]
    if "bellwire_connections" not in query:
        yield f"{name(one)}: it asks for {query!r} and not for bellwire_connections"
    if not threshold.isdigit() or not 0 < int(threshold) <= capacity // 2:
        yield f"{name(one)}: its target of {threshold!r} must leave a lost pod's connections a place ({capacity} a pod)"


def queues_are_those_of_the_broker(objects):
    lines = [line.split() for line in (ROOT / "tests/infra/queues.txt").read_text().splitlines()]
    for one in objects.of("ScaledObject"):
        kind = one["spec"]["scaleTargetRef"]["name"].removeprefix("bellwire-")
        for trigger in one["spec"]["triggers"]:
            if trigger["type"] != "rabbitmq":
                continue
            if trigger["metadata"].get("useRegex") != "true":
                yield f"{name(one)}: its queueName is a pattern: useRegex must be true"
            pattern = re.compile(trigger["metadata"]["queueName"])
            for what, queue in lines:
                # The names are of the environment prod.
                is_counted, is_mine = bool(pattern.search(queue)), what == "waiting" and f".jobs.{kind}" in queue
                if is_mine and not is_counted:
                    yield f"{name(one)}: it does not count the queue {queue}"
                if is_counted and not is_mine:
                    yield f"{name(one)}: it counts the queue {queue}, where nothing waits for a {kind} worker"


def drains_end_before_the_next(objects):
    for one, target, _ in scalers(objects):
        found = objects.get(*target) or {}
        limit = at(found, "spec.template.spec.terminationGracePeriodSeconds", 30)
        behavior = at(one, "spec.behavior") or at(one, "spec.advanced.horizontalPodAutoscalerConfig.behavior", {})
        down = at(behavior, "scaleDown", {})
        policies = [(each["type"], each["value"]) for each in down.get("policies", [])]
        if policies != [("Pods", 1)] or down["policies"][0]["periodSeconds"] < limit:
            yield f"{name(one)}: it must take one pod at a time, and the next when that has ended ({limit} s)"
        elif down.get("stabilizationWindowSeconds", 0) < 300:
            yield f"{name(one)}: it must wait 300 s at least before it takes a pod"
        if found and component(found["spec"]["template"]) == "gateway":
            up = {(each["type"], each["value"], each["periodSeconds"]) for each in at(behavior, "scaleUp.policies", [])}
            if up != {("Percent", 100, 60), ("Pods", 4, 60)}:
                yield f"{name(one)}: up it goes by 100 % or 4 pods a minute"
