"""The image: as small as it says, the same each time, and with every program that something starts."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from manifests import ROOT, Objects, at, kustomize_with

DOCKER = ROOT / "infra/docker"
CONTAINERFILE = (DOCKER / "Containerfile").read_text()
PROGRAMS = re.search(r"^COPY \S+ (.*) /usr/bin/$", CONTAINERFILE, re.M)[1].split()


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


class Image(unittest.TestCase):
    def test_hadolint_finds_nothing(self):
        self.assertEqual(run("hadolint", "--no-color", DOCKER / "Containerfile"), "")

    def test_each_program_that_a_pod_starts_is_in_it(self):
        for one, pod in Objects(kustomize_with([])).workloads():
            command = at(pod, "spec.containers.0.command")
            self.assertEqual([Path(command[0]).parent.as_posix(), Path(command[0]).name in PROGRAMS], ["/usr/bin", True], one["metadata"])
        self.assertIn("USER 10001:10001", CONTAINERFILE)

    def test_it_is_made_twice_the_same_and_runs_as_nobody_without_a_shell(self):
        if os.getuid() != 0:
            self.skipTest("only root unpacks Debian's packages")
        with tempfile.TemporaryDirectory() as folder:
            # What a program of ours needs of Debian, `true` needs as well; a real one needs a build for release.
            for program in PROGRAMS:
                shutil.copy("/bin/true", Path(folder, program))
            storage = {"STORAGE_DRIVER": "vfs", "XDG_DATA_HOME": folder, **os.environ}
            options = ["--root", f"{folder}/images", "--runroot", f"{folder}/run"]
            script = (DOCKER / "build.sh").read_text().replace("buildah build", f"buildah {' '.join(options)} build")
            script = script.replace('$(dirname "${BASH_SOURCE[0]}")/../..', str(ROOT))
            build = lambda: run("bash", "-c", script, "build.sh", folder, env=storage).strip()
            first, second = build(), build()
            self.assertEqual(first, second)

            root = Path(folder, "root")
            root.mkdir()
            run("buildah", *options, "push", "--quiet", first, f"dir:{folder}/layers", env=storage)
            for layer in Path(folder, "layers").iterdir():
                if layer.stat().st_size > 1000:
                    subprocess.run(["tar", "-xf", layer, "-C", root], capture_output=True)
            self.assertFalse(list(root.glob("**/*sh")), "there must be no shell")
            for program in PROGRAMS:
                run("chroot", "--userspec=10001:10001", root, f"/usr/bin/{program}")
            certificates = Path(root, "etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE")
            self.assertGreater(certificates, 100)
            self.assertTrue(Path(root, "usr/share/zoneinfo/Europe/Berlin").exists())
            for path in root.rglob("*"):
                mode = path.lstat().st_mode
                self.assertFalse(mode & 0o6000, f"{path} changes who it runs as")


if __name__ == "__main__":
    unittest.main()
