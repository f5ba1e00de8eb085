"""Labels: who is meant by whom."""

from manifests import at, matches, name


def selectors_find_their_pods(objects):
    for one, pod in objects.workloads():
        labels = at(pod, "metadata.labels", {})
        if one["kind"] == "Deployment" and not matches(one["spec"]["selector"], labels):
            yield f"{name(one)}: its selector does not mean its own pods"
        if one["kind"] == "Deployment" and len(objects.selected(one["spec"]["selector"])) > 1:
            yield f"{name(one)}: its selector means pods of others as well"
        for spread in at(pod, "spec.topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], labels):
                yield f"{name(one)}: its pods are spread by labels that they do not have"
    for one in objects.of("Service"):
        found = [name(each) for each, _ in objects.selected(one["spec"]["selector"])]
        if len(found) != 1:
            yield f"{name(one)}: its selector means the pods of {found or 'nobody'}; it must be one workload's"
    for one in objects.of("PodDisruptionBudget", "PodMonitor"):
        if not objects.selected(one["spec"]["selector"]):
            yield f"{name(one)}: its selector means no pod"
    for one in objects.of("NetworkPolicy"):
        if not objects.selected(one["spec"]["podSelector"]):
            yield f"{name(one)}: its podSelector means no pod"


def each_pod_has_one_budget(objects):
    budgets = objects.of("PodDisruptionBudget")
    for one, pod in objects.workloads():
        mine = [name(budget) for budget in budgets if matches(budget["spec"]["selector"], at(pod, "metadata.labels", {}))]
        # With two no pod can be evicted at all.
        if one["kind"] == "Deployment" and len(mine) != 1:
            yield f"{name(one)}: its pods have {len(mine)} budgets of disruption ({mine}); they need one"
    for budget in budgets:
        if at(budget, "spec.maxUnavailable") not in (1, "25%") or at(budget, "spec.minAvailable") is not None:
            yield f"{name(budget)}: at most one pod may be away; a fixed minAvailable blocks drains of small scales"
