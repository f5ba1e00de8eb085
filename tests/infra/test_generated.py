"""What is made of other files is as they are now."""

import unittest

import generated
from manifests import ROOT


class Generated(unittest.TestCase):
    def test_nothing_has_changed_without_what_is_made_of_it(self):
        for path, text in generated.files().items():
            with self.subTest(path):
                found = (ROOT / path).read_text() if (ROOT / path).exists() else ""
                self.assertTrue(found == text, f"{path} is old: tests/infra/run.sh --write")


if __name__ == "__main__":
    unittest.main()
