"""Without Kubernetes: systemd's units, compose.yaml, and the files of proxies."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import settings
import yaml
from manifests import ROOT
from test_image import PROGRAMS, run

INFRA = ROOT / "infra"
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text())
OURS = {name: each for name, each in COMPOSE["services"].items() if "bellwire" in each["image"]}
LAST_ANSWERS = 5


def grace_of(command):
    """How long a program may take to end, by its defaults or the settings that all share."""
    kind = Path(command).name.removeprefix("bellwire-")
    given = settings.of_file((INFRA / "kubernetes/base/bellwire.toml").read_text())
    of = lambda path: settings.seconds(given.get(path, settings.known().get(path, "0s")))
    return of("gateway.linger") + of("gateway.grace") if kind == "gateway" else of(f"{kind}.host.grace")


class Systemd(unittest.TestCase):
    def test_systemd_understands_each_unit_and_calls_it_safe(self):
        for unit in sorted((INFRA / "systemd").iterdir()):
            with self.subTest(unit.name), tempfile.TemporaryDirectory() as folder:
                called = unit.name.replace("@", "@imports")
                text = unit.read_text()
                for program in PROGRAMS:
                    shutil.copy("/bin/true", Path(folder, program))
                Path(folder, called).write_text(text.replace("/usr/bin/", f"{folder}/"))
                said = subprocess.run(["systemd-analyze", "verify", "--man=no", Path(folder, called)], capture_output=True, text=True)
                mine = [line for line in said.stderr.splitlines() if called in line or folder in line]
                self.assertEqual(mine, [])
                verdict = run("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", Path(folder, called))
                self.assertRegex(verdict, r"Overall exposure level for .*: [01]\.\d OK")

    def test_a_unit_ends_after_its_program(self):
        for unit, command in (("bellwire-gateway.service", "bellwire-gateway"), ("bellwire-worker@.service", "bellwire-imports")):
            limit = int(re.search(r"^TimeoutStopSec=(\d+)$", (INFRA / "systemd" / unit).read_text(), re.M)[1])
            self.assertGreater(limit, grace_of(command) + LAST_ANSWERS)


class Compose(unittest.TestCase):
    def test_each_of_our_services_starts_a_program_of_the_image_and_nothing_it_does_not_need(self):
        self.assertGreaterEqual(set(OURS), {"gateway-1", "gateway-2", "imports", "reports", "workflows", "topology", "key"})
        for name, service in OURS.items():
            with self.subTest(name):
                self.assertIn(Path(service["command"][0]).name, PROGRAMS)
                self.assertEqual((service["read_only"], service["user"], service["cap_drop"]), (True, "10001:10001", ["ALL"]))
                if service.get("profiles") != ["setup"]:
                    limit = settings.seconds(service["stop_grace_period"])
                    self.assertGreater(limit, grace_of(service["command"][0]) + LAST_ANSWERS)

    def test_what_services_name_is_there(self):
        for name, service in COMPOSE["services"].items():
            with self.subTest(name):
                for variable in service.get("environment", {}) if name in OURS else ():
                    self.assertIn(settings.of_variable(variable), settings.known())
                for secret in service.get("secrets", []):
                    self.assertIn(secret, COMPOSE["secrets"])
                for volume in service.get("volumes", []):
                    source = volume.split(":")[0]
                    self.assertTrue((INFRA / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], volume)
                for other in service.get("depends_on", []):
                    self.assertIn(other, COMPOSE["services"])

    def test_the_secrets_are_invented_once_and_are_all_that_is_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(INFRA / "compose-secrets.sh", folder)
            run(f"{folder}/compose-secrets.sh")
            invented = Path(folder, ".env").read_text()
            run(f"{folder}/compose-secrets.sh")
            self.assertEqual(Path(folder, ".env").read_text(), invented)
            needed = set(re.findall(r"\$\{(\w+):\?", (INFRA / "compose.yaml").read_text()))
            self.assertLessEqual(needed, set(re.findall(r"^(\w+)=\w{48}$", invented, re.M)))
            self.assertGreaterEqual(Path(folder, "secrets/hs256").stat().st_size, 32)

    def test_roles_gives_the_passwords_that_were_invented(self):
        roles = (INFRA / "rabbitmq/roles.sh").read_text()
        asked = set(re.search(r"^for each in (.*); do$", roles, re.M)[1].split())
        invented = set(re.search(r"for role in (.*); do", (INFRA / "compose-secrets.sh").read_text())[1].split())
        self.assertEqual(invented - {"DATABASE"}, asked)


class Proxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        key, certificate = f"{cls.folder.name}/tls.key", f"{cls.folder.name}/tls.pem"
        made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bellwire.example")
        run(*made, "-keyout", key, "-out", certificate)
        Path(cls.folder.name, "both.pem").write_text(Path(certificate).read_text() + Path(key).read_text())
        Path(cls.folder.name, "passwords").write_text("site:x\n")

    def here(self, file):
        """A copy of a file whose certificates and logs are in our folder."""
        copy = Path(self.folder.name, file.name)
        text = file.read_text().replace("/etc/bellwire", self.folder.name).replace("/var/log/nginx", self.folder.name)
        copy.write_text(text)
        return copy

    def test_haproxy_takes_its_files(self):
        # Of the one that tests use.
        variables = {"HAPROXY_BIND": "127.0.0.1:1", "HAPROXY_SOCKET": f"{self.folder.name}/s", "POD_1": "127.0.0.1:2", "POD_2": "127.0.0.1:3"}
        for file in [*(INFRA / "proxies").glob("*.cfg"), INFRA / "compose-haproxy.cfg", ROOT / "tests/clients/haproxy.cfg"]:
            with self.subTest(file.name):
                run("haproxy", "-c", "-f", self.here(file), env=os.environ | variables)

    def test_nginx_takes_its_files(self):
        for file in (INFRA / "proxies").glob("nginx*.conf"):
            with self.subTest(file.name):
                run("nginx", "-t", "-q", "-p", self.folder.name, "-g", f"pid {self.folder.name}/pid; error_log stderr;", "-c", self.here(file))


if __name__ == "__main__":
    unittest.main()
