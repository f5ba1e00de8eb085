"""The checks are no decoration: each of these slips is planted into what is rendered, found, and called by its name."""

import copy
import unittest

from checks import faults
from manifests import Objects, kustomize_with, name

COMPONENTS = ("keda", "gateway-api", "azure", "network-policies", "monitoring", "rabbitmq-operator")
GATEWAY, IMPORTS, REPORTS = "bellwire-gateway", "bellwire-imports", "bellwire-reports"


def pod(objects, workload=GATEWAY):
    return objects.get("Deployment", workload)["spec"]["template"]


def container(objects, workload=GATEWAY):
    return pod(objects, workload)["spec"]["containers"][0]


def trigger(objects, workload=IMPORTS):
    return objects.get("ScaledObject", workload)["spec"]["triggers"][0]["metadata"]


def behavior(objects, workload=GATEWAY):
    return objects.get("ScaledObject", workload)["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]


def config(objects, old, new):
    found = next(one for one in objects.of("ConfigMap") if "bellwire.toml" in one["data"])
    assert old in found["data"]["bellwire.toml"]
    found["data"]["bellwire.toml"] = found["data"]["bellwire.toml"].replace(old, new)


def rename(objects, kind, called, new):
    objects.get(kind, called)["metadata"]["name"] = new


def again(objects, kind, called, new):
    twin = copy.deepcopy(objects.get(kind, called))
    twin["metadata"]["name"] = new
    objects.append(twin)


def drop(objects, kind, called):
    objects.remove(objects.get(kind, called))


# What is done to the objects, and what the fault that is found must say.
PLANTED = {
    "a label of pods is changed": (
        lambda o: pod(o)["metadata"]["labels"].update({"app.kubernetes.io/component": "gate"}),
        "Deployment bellwire-gateway: its selector does not mean its own pods",
    ),
    "a label of pods and its selector are changed together": (
        lambda o: [
            labels.update({"app.kubernetes.io/component": "gate"})
            for labels in (pod(o)["metadata"]["labels"], o.get("Deployment", GATEWAY)["spec"]["selector"]["matchLabels"])
        ],
        "Service bellwire-gateway: its selector means the pods of nobody",
    ),
    "a service means all pods": (
        lambda o: o.get("Service", GATEWAY)["spec"]["selector"].pop("app.kubernetes.io/component"),
        "Service bellwire-gateway: its selector means the pods of ['Deployment bellwire-gateway', 'Deployment bellwire-imports'",
    ),
    "a probe asks a port that is called otherwise": (
        lambda o: container(o)["readinessProbe"]["httpGet"].update(port="health"),
        "readinessProbe asks the port 'health', which the container has not",
    ),
    "a probe asks another path": (
        lambda o: container(o, IMPORTS)["livenessProbe"]["httpGet"].update(path="/readyz"),
        "Deployment bellwire-imports: livenessProbe must ask /livez",
    ),
    "the admin port is not the one of the binary": (
        lambda o: container(o, REPORTS)["ports"][0].update(containerPort=9091),
        "Deployment bellwire-reports: the port admin must be 9092",
    ),
    "the window has less time to be read": (
        lambda o: container(o)["startupProbe"].update(failureThreshold=3),
        "startupProbe must ask /readyz each 2 s, 90 times",
    ),
    "a query is empty": (
        lambda o: trigger(o, GATEWAY).update(query=""),
        "ScaledObject bellwire-gateway: it asks for '' and not for bellwire_connections",
    ),
    "a query that finds nothing counts as nobody": (
        lambda o: trigger(o, GATEWAY).pop("ignoreNullValues"),
        "nothing measured counts as nobody connected",
    ),
    "a target is above what a pod can hold": (
        lambda o: trigger(o, GATEWAY).update(threshold="100000"),
        "its target of '100000' must leave a lost pod's connections a place",
    ),
    "the target of a scaler is called otherwise": (
        lambda o: o.get("ScaledObject", IMPORTS)["spec"]["scaleTargetRef"].update(name="bellwire-import"),
        "its target Deployment bellwire-import does not exist",
    ),
    "what is scaled has replicas of its own": (
        lambda o: o.get("Deployment", GATEWAY)["spec"].update(replicas=2),
        "Deployment bellwire-gateway has replicas of its own",
    ),
    "two scalers have one target": (
        lambda o: again(o, "ScaledObject", GATEWAY, "by-the-hour"),
        "ScaledObject bellwire-gateway scales Deployment bellwire-gateway as well",
    ),
    "the minimum is above the maximum": (
        lambda o: o.get("ScaledObject", REPORTS)["spec"].update(minReplicaCount=12),
        "its minimum 12 is above its maximum 10",
    ),
    "workflows may be scaled to none": (
        lambda o: o.get("ScaledObject", "bellwire-workflows")["spec"].update(minReplicaCount=0),
        "of bellwire-workflows there must be two at least",
    ),
    "a scaler forgets what runs when the broker is away": (
        lambda o: o.get("ScaledObject", IMPORTS)["spec"]["fallback"].update(behavior="static"),
        "it must keep what runs",
    ),
    "one lane of a kind is not counted": (
        lambda o: trigger(o).update(queueName=trigger(o)["queueName"].replace("|low\\.[12]", "")),
        "it does not count the queue bellwire.prod.jobs.imports.low.1",
    ),
    "the dead are counted": (
        lambda o: trigger(o).update(queueName=r"^bellwire\.prod\.jobs\.imports"),
        "it counts the queue bellwire.prod.jobs.imports.dead",
    ),
    "the queue is of another environment": (
        lambda o: trigger(o).update(queueName=trigger(o)["queueName"].replace("prod", "test")),
        "it does not count the queue bellwire.prod.jobs.imports",
    ),
    "only what no worker holds is counted": (
        lambda o: trigger(o).update(protocol="amqp"),
        "only protocol http, mode QueueLength and operation sum count all jobs",
    ),
    "a parameter of a trigger is misspelt": (
        lambda o: trigger(o).update(queueLenght="5"),
        "the trigger rabbitmq has no parameter 'queueLenght'",
    ),
    "a parameter of a trigger is no text": (
        lambda o: trigger(o).update(value=2),
        "'value' of the trigger rabbitmq must be a text",
    ),
    "a secret has no such key": (
        lambda o: container(o)["env"][0]["valueFrom"]["secretKeyRef"].update(key="broker"),
        "the Secret 'bellwire-gateway' has no key 'broker'",
    ),
    "a ConfigMap has another hash": (
        lambda o: pod(o)["spec"]["volumes"][0]["configMap"].update(name="bellwire-0123456789"),
        "the ConfigMap 'bellwire-0123456789' does not exist",
    ),
    "a variable is no setting": (
        lambda o: container(o)["env"][0].update(name="BELLWIRE_BACKPLANE__ADDRESS"),
        "BELLWIRE_BACKPLANE__ADDRESS is no setting",
    ),
    "a setting is misspelt": (
        lambda o: config(o, "grace =", "graze ="),
        "gateway.graze in bellwire.toml is no setting",
    ),
    "a secret is not where the settings say": (
        lambda o: [mount.update(mountPath="/run/keys") for mount in container(o)["volumeMounts"] if mount["name"] == "secrets"],
        "environment.hs256_secret_file is '/run/secrets/bellwire/hs256', and nothing is mounted there",
    ),
    "the grace is longer than the end": (
        lambda o: config(o, 'grace = "60s"', 'grace = "80s"'),
        "preStop 10 s, gateway.linger 5 s, gateway.grace 80 s and 5 s of last answers do not fit into terminationGracePeriodSeconds 90",
    ),
    "a worker's end is too short for its jobs": (
        lambda o: pod(o, IMPORTS)["spec"].update(terminationGracePeriodSeconds=30),
        "imports.host.grace 25 s and 5 s of last answers do not fit into terminationGracePeriodSeconds 30",
    ),
    "a gateway closes before load balancers know": (
        lambda o: container(o).pop("lifecycle"),
        "preStop must sleep while load balancers still send somebody",
    ),
    "a roll-out takes pods away": (
        lambda o: o.get("Deployment", GATEWAY)["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable="25%"),
        "a roll-out must add one pod and take none away",
    ),
    "gateways go faster than they drain": (
        lambda o: behavior(o)["scaleDown"]["policies"][0].update(periodSeconds=60),
        "ScaledObject bellwire-gateway: it must take one pod at a time, and the next when that has ended (90 s)",
    ),
    "a container is root": (
        lambda o: pod(o)["spec"]["securityContext"].update(runAsUser=0),
        "spec.securityContext.runAsUser must be 10001, and is 0",
    ),
    "the root file system can be written to": (
        lambda o: container(o)["securityContext"].update(readOnlyRootFilesystem=False),
        "securityContext.readOnlyRootFilesystem must be True",
    ),
    "a pod gets a token of the cluster": (
        lambda o: pod(o)["spec"].pop("automountServiceAccountToken"),
        "spec.automountServiceAccountToken must be False",
    ),
    "an image has no version": (
        lambda o: container(o).update(image="bellwire:latest"),
        "the image 'bellwire:latest' has no version",
    ),
    "an amount of memory is in thousandths": (
        lambda o: container(o)["resources"]["requests"].update(memory="256m"),
        "requests.memory of 0.256 bytes is a slip",
    ),
    "an amount is none": (
        lambda o: container(o)["resources"]["limits"].update(memory="2 Gi"),
        "'2 Gi' is no quantity",
    ),
    "a budget is missing": (
        lambda o: drop(o, "PodDisruptionBudget", GATEWAY),
        "Deployment bellwire-gateway: its pods have 0 budgets of disruption",
    ),
    "two budgets hold one pod": (
        lambda o: again(o, "PodDisruptionBudget", GATEWAY, "another"),
        "its pods have 2 budgets of disruption",
    ),
    "a route leads to a port that is not there": (
        lambda o: o.get("HTTPRoute", "bellwire")["spec"]["rules"][0]["backendRefs"][0].update(port=80),
        "HTTPRoute bellwire: it leads to the port 80, which Service bellwire-gateway has not",
    ),
    "a route cuts streams off": (
        lambda o: o.get("HTTPRoute", "bellwire")["spec"]["rules"][0].pop("timeouts"),
        "timeouts.request must be 0s",
    ),
    "a claim is called otherwise": (
        lambda o: rename(o, "PersistentVolumeClaim", "bellwire-files", "files"),
        "its claim 'bellwire-files' does not exist",
    ),
    "an account is called otherwise": (
        lambda o: rename(o, "ServiceAccount", IMPORTS, "imports"),
        "its account 'bellwire-imports' does not exist",
    ),
    "a policy of the network means nobody": (
        lambda o: o.get("NetworkPolicy", "bellwire-delivery")["spec"]["podSelector"]["matchLabels"].update(
            {"app.kubernetes.io/component": "report"}
        ),
        "NetworkPolicy bellwire-delivery: its podSelector means no pod",
    ),
    "Prometheus reads a port that is called otherwise": (
        lambda o: o.get("PodMonitor", "bellwire")["spec"]["podMetricsEndpoints"][0].update(port="metrics"),
        "it reads the port 'metrics'",
    ),
    "a field of Kubernetes is misspelt": (
        lambda o: pod(o)["spec"].update(terminationGraceSeconds=90),
        "Kubernetes 1.33",
    ),
    "a field of a custom resource is misspelt": (
        lambda o: o.get("ScaledObject", IMPORTS)["spec"].update(coolDownPeriod=300),
        "'coolDownPeriod' was unexpected",
    ),
}


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objects = kustomize_with(COMPONENTS)

    def test_nothing_is_wrong_before(self):
        self.assertEqual(faults(Objects(self.objects)), [])

    def test_each_planted_fault_is_found_and_named(self):
        self.assertGreaterEqual(len(PLANTED), 20)
        for slip, (plant, words) in PLANTED.items():
            with self.subTest(slip):
                objects = Objects(copy.deepcopy(self.objects))
                plant(objects)
                found = faults(objects)
                self.assertTrue(any(words in fault for fault in found), f"found is only {found}")

    def test_whatever_object_is_left_out_is_missed(self):
        # Users of the broker stand for themselves; their list is compared in test_rabbitmq.
        alone = ("User", "Permission", "Exchange", "RabbitmqCluster", "HTTPRoute", "NetworkPolicy", "PodMonitor", "PrometheusRule")
        for one in self.objects:
            if one["kind"] not in alone and "dashboards" not in name(one):
                with self.subTest(name(one)):
                    self.assertNotEqual(faults(Objects(each for each in self.objects if each is not one)), [])


if __name__ == "__main__":
    unittest.main()
