"""The settings that there are, with their defaults, as bellwire.example.toml lists them."""

import re
import tomllib
from functools import cache

from manifests import ROOT, at

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@cache
def known():
    """Each setting by its path, such as `gateway.grace`, with its default."""
    found, section = {}, ""
    for line in (ROOT / "bellwire.example.toml").read_text().splitlines():
        line = line.removeprefix("# ")
        if header := re.match(r"\[+([a-z_.]+)\]+", line):
            section = header[1]
        elif setting := re.match(r"([a-z0-9_]+) = (.*)", line):
            try:
                found[f"{section}.{setting[1]}"] = tomllib.loads(line)[setting[1]]
            except tomllib.TOMLDecodeError:
                pass  # a sentence that looks like a setting
    return found


def of_file(text):
    """The settings of a file by their paths; places in lists are left out."""
    found = {}

    def walk(value, path):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                walk(each, path)
        elif isinstance(value, dict):
            for key, each in value.items():
                walk(each, [*path, key])
        else:
            found[".".join(path)] = value

    walk(tomllib.loads(text), [])
    return found


def of_variable(variable):
    """The path that a variable sets: `BELLWIRE_ENVIRONMENT__0__NAME` is `environment.name`."""
    words = variable.removeprefix("BELLWIRE_").lower().split("__")
    return ".".join(word for word in words if not word.isdigit())


def seconds(text):
    """A duration such as `90s`, in seconds."""
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m|h|d)", text).groups()
    return float(number) * UNITS[unit]


def given(objects, pod):
    """The settings in the file that a pod mounts."""
    for volume in at(pod, "spec.volumes", []):
        config = objects.get("ConfigMap", at(volume, "configMap.name", ""))
        if config is not None and "bellwire.toml" in config["data"]:
            return of_file(config["data"]["bellwire.toml"])
    return {}


def value(objects, pod, path):
    """What a setting is in a pod: as it is given, or its default."""
    return given(objects, pod).get(path, known()[path])
