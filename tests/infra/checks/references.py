"""Names that must be there: ports, services, volumes, accounts."""

from manifests import at, name


def containers(pod):
    return at(pod, "spec.containers", []) + at(pod, "spec.initContainers", [])


def has_port(pod, port):
    """Whether a pod has a port, by its name or number."""
    ports = [each for container in containers(pod) for each in container.get("ports", [])]
    return any(port in (each.get("name"), each["containerPort"]) for each in ports)


def ports_exist(objects):
    for one, pod in objects.workloads():
        for container in containers(pod):
            own = {"spec": {"containers": [container]}}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = at(container, f"{probe}.httpGet.port")
                if port is not None and not has_port(own, port):
                    yield f"{name(one)}: {probe} asks the port {port!r}, which the container has not"
    for service in objects.of("Service"):
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            for one, pod in objects.selected(service["spec"]["selector"]):
                if not has_port(pod, target):
                    yield f"{name(service)}: it leads to the port {target!r}, which {name(one)} has not"
    for monitor in objects.of("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for one, pod in objects.selected(monitor["spec"]["selector"]):
                if not has_port(pod, endpoint["port"]):
                    yield f"{name(monitor)}: it reads the port {endpoint['port']!r}, which {name(one)} has not"
    for policy in objects.of("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                for one, pod in objects.selected(policy["spec"]["podSelector"]):
                    if not has_port(pod, port["port"]):
                        yield f"{name(policy)}: it opens the port {port['port']!r}, which {name(one)} has not"


def routes_lead_to_a_service(objects):
    for ingress in objects.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                yield from _leads(objects, ingress, service["name"], list(service["port"].values())[0])
    for route in objects.of("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            if at(rule, "timeouts.request") != "0s":
                yield f"{name(route)}: timeouts.request must be 0s, or streams are cut off"
            for backend in rule["backendRefs"]:
                yield from _leads(objects, route, backend["name"], backend["port"])


def _leads(objects, route, service, port):
    found = objects.get("Service", service)
    if found is None:
        yield f"{name(route)}: it leads to the service {service!r}, which does not exist"
    elif not any(port in (each.get("name"), each["port"]) for each in found["spec"]["ports"]):
        yield f"{name(route)}: it leads to the port {port!r}, which {name(found)} has not"


def volumes_are_there(objects):
    for one, pod in objects.workloads():
        volumes = {volume["name"] for volume in at(pod, "spec.volumes", [])}
        mounted = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
        for missing in sorted(mounted - volumes):
            yield f"{name(one)}: it mounts the volume {missing!r}, which does not exist"
        for unused in sorted(volumes - mounted):
            yield f"{name(one)}: nothing mounts its volume {unused!r}"


def accounts_and_claims_exist(objects):
    for one, pod in objects.workloads():
        account = at(pod, "spec.serviceAccountName", "default")
        if objects.get("ServiceAccount", account) is None:
            yield f"{name(one)}: its account {account!r} does not exist"
        for volume in at(pod, "spec.volumes", []):
            claim = at(volume, "persistentVolumeClaim.claimName")
            if claim is not None and objects.get("PersistentVolumeClaim", claim) is None:
                yield f"{name(one)}: its claim {claim!r} does not exist"
    for claim in objects.of("PersistentVolumeClaim"):
        wanted, known = claim["spec"].get("storageClassName"), [each["metadata"]["name"] for each in objects.of("StorageClass")]
        if wanted is not None and wanted not in known:
            yield f"{name(claim)}: its storage class {wanted!r} does not exist"
    for each in objects.of("ScaledObject"):
        for trigger in each["spec"]["triggers"]:
            wanted = at(trigger, "authenticationRef.name")
            if wanted is not None and objects.get("TriggerAuthentication", wanted) is None:
                yield f"{name(each)}: its TriggerAuthentication {wanted!r} does not exist"
