"""The templates of the chart, made of what kustomize renders: each component in a file of its own, values where they may differ."""

import copy
import re

import yaml
from manifests import at, kustomize_with

WORKLOADS = ("gateway", "imports", "reports", "workflows")
HEAD = "{{- /* Made of infra/kubernetes by tests/infra/run.sh --write. */ -}}\n"
# When a component is rendered.
COMPONENTS = {
    "keda": 'eq .Values.scaling "keda"',
    "hpa": 'eq .Values.scaling "hpa"',
    "gateway-api": 'eq .Values.entry "gateway-api"',
    "ingress-nginx": 'eq .Values.entry "ingress-nginx"',
    "ingress-haproxy": 'eq .Values.entry "ingress-haproxy"',
    "azure": ".Values.azure",
    "network-policies": ".Values.networkPolicies",
    "monitoring": ".Values.monitoring",
}
# A word that stands for an expression until the YAML is written; alone on its line it may be a block.
WORD = re.compile(r"HELM_(\w+?)_END")
INLINE = {
    "image": "{{ .Values.image }}",
    "environment": "{{ .Values.environment }}",
    "namespace": "{{ .Release.Namespace }}",
    "host": "{{ .Values.host }}",
    "parent": "{{ .Values.parentGateway.name }}",
    "parentNamespace": "{{ .Values.parentGateway.namespace }}",
    "prometheus": "{{ .Values.prometheus }}",
    "accessMode": "{{ .Values.files.accessMode }}",
    "storage": "{{ .Values.files.storage }}",
    "checksum": '{{ include (print $.Template.BasePath "/config.yaml") . | sha256sum }}',
}


def templates():
    """Each file of the chart's templates with its text."""
    base = kustomize_with([])
    known = {(one["kind"], one["metadata"]["name"]) for one in base}
    files = {}
    for one in base:
        component = at(one, "metadata.labels", {}).get("app.kubernetes.io/component")
        files.setdefault({"ConfigMap": "config", "PersistentVolumeClaim": "files"}.get(one["kind"], component), []).append(one)
    made = {f"{name}.yaml": HEAD + "".join(map(_template, objects)) for name, objects in files.items()}
    for component, condition in COMPONENTS.items():
        added = [one for one in kustomize_with([component]) if (one["kind"], one["metadata"]["name"]) not in known]
        made[f"{component}.yaml"] = f"{HEAD}{{{{- if {condition} }}}}\n{''.join(map(_template, added))}{{{{- end }}}}\n"
    return made


def _template(one):
    one = copy.deepcopy(one)
    one["metadata"].pop("namespace", None)
    _OPEN.get(one["kind"], lambda _: None)(one)
    text = yaml.safe_dump(one, sort_keys=False, width=1000)
    text = re.sub(r"\bbellwire(-dashboards)?-[2-9bcdfghkmt]{10}\b", r"bellwire\1", text)  # the chart's own checksum stands for the hash
    text = text.replace("{{", '{{ "{{" }}')
    lines = "\n".join(_block(line) or line for line in text.splitlines())
    return "---\n" + WORD.sub(lambda word: INLINE[word[1]], lines) + "\n"


def _block(line):
    """The lines for one whose value is a word of more than a line."""
    found = re.fullmatch(r"( *)(- )?(\w+): HELM_(replicas|least|most|resources|env|class)_(\w*?)_END", line)
    if found is None:
        return None
    indent, _, key, what, of = found.groups()
    if what == "replicas":
        condition = 'eq .Values.scaling "none"' if of == "gateway" else 'ne .Values.scaling "keda"'
        return f"{indent}{{{{- if {condition} }}}}\n{indent}replicas: {{{{ .Values.{of}.replicas }}}}\n{indent}{{{{- end }}}}"
    if what == "resources":
        return f"{indent}resources: {{{{- toYaml .Values.{of}.resources | nindent {len(indent) + 2} }}}}"
    if what == "env":
        return f"{indent}{{{{- with .Values.env }}}}\n{indent}{{{{- toYaml . | nindent {len(indent)} }}}}\n{indent}{{{{- end }}}}"
    if what == "class":
        chosen = 'ternary "bellwire-files" .Values.files.storageClass .Values.azure'
        return f"{indent}{{{{- with {chosen} }}}}\n{indent}storageClassName: {{{{ . }}}}\n{indent}{{{{- end }}}}"
    return f"{indent}{key}: {{{{ .Values.{of}.{'minReplicas' if what == 'least' else 'maxReplicas'} }}}}"


def _workload(one):
    return one["metadata"]["labels"]["app.kubernetes.io/component"]


def _deployment(one):
    of, pod = _workload(one), one["spec"]["template"]
    container = pod["spec"]["containers"][0]
    one["spec"]["replicas"] = f"HELM_replicas_{of}_END"
    pod["metadata"]["annotations"] = {"checksum/config": "HELM_checksum_END"}
    container["image"] = "HELM_image_END"
    container["resources"] = f"HELM_resources_{of}_END"
    container["env"].append({"more": "HELM_env__END"})


def _config(one):
    if "bellwire.toml" in one["data"]:
        one["data"]["bellwire.toml"] = one["data"]["bellwire.toml"].replace('"prod"', '"HELM_environment_END"')


def _claim(one):
    one["spec"]["accessModes"] = ["HELM_accessMode_END"]
    one["spec"]["resources"]["requests"]["storage"] = "HELM_storage_END"
    one["spec"]["storageClassName"] = "HELM_class__END"


def _scaled_object(one):
    one["spec"]["minReplicaCount"] = f"HELM_least_{_workload(one)}_END"
    one["spec"]["maxReplicaCount"] = f"HELM_most_{_workload(one)}_END"
    given = one["spec"]["triggers"][0]["metadata"]
    if "queueName" in given:
        given["queueName"] = given["queueName"].replace(r"\.prod\.", r"\.HELM_environment_END\.")
    else:
        given["query"] = given["query"].replace('"bellwire"', '"HELM_namespace_END"')
        given["serverAddress"] = "HELM_prometheus_END"


def _autoscaler(one):
    one["spec"]["minReplicas"] = f"HELM_least_{_workload(one)}_END"
    one["spec"]["maxReplicas"] = f"HELM_most_{_workload(one)}_END"


def _ingress(one):
    one["spec"]["tls"][0]["hosts"] = ["HELM_host_END"]
    one["spec"]["rules"][0]["host"] = "HELM_host_END"


def _route(one):
    one["spec"]["hostnames"] = ["HELM_host_END"]
    one["spec"]["parentRefs"] = [{"name": "HELM_parent_END", "namespace": "HELM_parentNamespace_END"}]


# What differs between deployments, of each kind.
_OPEN = {
    "Deployment": _deployment,
    "ConfigMap": _config,
    "PersistentVolumeClaim": _claim,
    "ScaledObject": _scaled_object,
    "HorizontalPodAutoscaler": _autoscaler,
    "Ingress": _ingress,
    "HTTPRoute": _route,
}
