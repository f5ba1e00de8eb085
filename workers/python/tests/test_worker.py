"""What can be said of a worker without a broker."""

import json
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bellwire_worker import Permanent, Result, Toast, Worker, ed25519, json_text
from bellwire_worker.errors import NotAJob
from bellwire_worker.grant import read_key
from bellwire_worker.job import Job
from bellwire_worker.storage import Storage, href
from bellwire_worker.task_events import TaskEvents, TooLarge, summary
from bellwire_worker.turns import Turns

PROTOCOL = (Path(__file__).parents[3] / "docs/job-protocol.md").read_text()
EXAMPLE = PROTOCOL.split("<!-- example: job -->\n```json\n")[1].split("```")[0]
KEY = read_key("ISk5JxiMfP3dJFSbVgklB3LdSVLF0I0zIZk-RfdYQKI")


class Signatures(unittest.TestCase):
    def test_the_vectors_of_rfc_8032_are_verified_and_nothing_else(self) -> None:
        for public, message, signature in (
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ):
            key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
            self.assertTrue(ed25519.verify(key, text, signed))
            self.assertFalse(ed25519.verify(key, text + b"x", signed))
            for place in range(0, 64, 7):
                changed = bytearray(signed)
                changed[place] ^= 1
                self.assertFalse(ed25519.verify(key, text, bytes(changed)))
            # The same number beyond the order is another signature of the same text, and is none.
            order = 2**252 + 27742317777372353535851937790883648493
            larger = (int.from_bytes(signed[32:], "little") + order).to_bytes(32, "little")
            self.assertFalse(ed25519.verify(key, text, signed[:32] + larger))
            for wrong in (b"", signed[:-1], signed + b"\0"):
                self.assertFalse(ed25519.verify(key, text, wrong))
            self.assertFalse(ed25519.verify(key[:-1], text, signed))
            self.assertFalse(ed25519.verify(b"\xff" * 32, text, signed))

    def test_the_job_of_the_protocol_is_its_owners_in_its_environment_alone(self) -> None:
        job = Job.read(EXAMPLE.encode())
        job.check("prod", "invoices", [KEY])
        with self.assertRaises(NotAJob):
            job.check("test", "invoices", [KEY])
        with self.assertRaises(NotAJob):
            job.check("prod", "invoices", [])
        with self.assertRaises(NotAJob):
            Job.read(EXAMPLE.replace("123456789Z", "123456788Z").encode()).check("prod", "invoices", [KEY])


class Texts(unittest.TestCase):
    def test_only_the_attempts_of_a_job_change_however_it_is_written(self) -> None:
        for text in (
            '{"a":"\\"attempts\\": 9","attempts":0,"b":{"attempts":7},"n":1e400}',
            '{ "b" : [ "}" , {"attempts":1}, "\\\\" ] ,\n"attempts" : 10 }',
            '{"b":12345678901234567890123}',
            "{}",
        ):
            changed = json_text.with_member(text, "attempts", "3")
            expected = json.loads(text, parse_float=str) | {"attempts": 3}
            self.assertEqual(json.loads(changed, parse_float=str), expected)

    def test_what_json_is_not_is_neither_read_nor_written(self) -> None:
        for text in ("NaN", "[Infinity]", '{"a":-Infinity}', "\ufeff{}", "[" * 100_000):
            with self.assertRaises(ValueError):
                json_text.read(text)
        for value in (float("nan"), {"a": float("inf")}):
            with self.assertRaises(ValueError):
                json_text.written(value)
        self.assertEqual(json_text.written("\ud83d"), b'"?"')

    def test_a_long_text_is_measured_at_once(self) -> None:
        self.assertLess(json_text.memory(json.dumps("\\" * 4_000_000)), 9_000_000)
        self.assertEqual(json_text.depth('[{"a":[]},[[{}]],"[[[[["]'), 4)


class Events(unittest.TestCase):
    def test_a_result_that_no_event_holds_is_refused_by_its_bytes_values_or_depth(self) -> None:
        events = TaskEvents(Job.read(EXAMPLE.encode()), 1)
        deep: list[object] = []
        for _ in range(130):
            deep = [deep]
        for output in ("x" * 66_000, [{}] * 3000, deep):
            with self.assertRaises(TooLarge):
                events.succeeded(Result(output))
        body = json.loads(events.succeeded(Result({"pages": 12}, Toast(" ", level="loud", href="//evil.example"))).body)  # type: ignore[arg-type]
        self.assertEqual(body["data"]["toast"], {"level": "info", "title": "Invoices of May succeeded"})

    def test_what_stays_of_a_large_result_is_small_and_whole(self) -> None:
        short = summary({"rows": 7, "long": "x" * 9000, "columns": [1], "more": {}, "done": True}, "01JD/result.json", 9)
        expected = {"rows": 7, "done": True, "href": "/api/files/01JD/result.json", "bytes": 9, "stored": "01JD/result.json"}
        self.assertEqual(short, expected)
        self.assertEqual(summary([1], "a/b", 1)["stored"], "a/b")


class Files(unittest.TestCase):
    def test_no_key_leaves_its_owners_folder(self) -> None:
        storage = Storage("file:/files")
        self.assertEqual(storage.path("prod", "Ada@x", "01JD/50% ö.csv"), Path("/files/prod/%41da%40x/01JD/50%25%20%C3%B6.csv"))
        self.assertEqual(href("01JD/50% ö?#.csv"), "/api/files/01JD/50%25%20%C3%B6%3F%23.csv")
        for bad in (
            "",
            "x",
            "/etc/passwd",
            "../x",
            "a/..",
            "a/.",
            "a/../b",
            "a//b",
            "a/b/c",
            "a/b\0",
            "a/",
            "./b",
            "é/b",
            "a/b\\c",
            "a/b\n",
        ):
            with self.assertRaises(Permanent):
                storage.path("prod", "ada", bad)
        for bad in ("", "/files", "file:", "file://host/x", "s3://bucket"):
            with self.assertRaises(ValueError):
                Storage(bad)

    def test_a_description_is_there_whole(self) -> None:
        with TemporaryDirectory() as folder:
            Storage(f"file:{folder}").register("prod", "invoices", b"{}")
            self.assertEqual([path.name for path in Path(folder, "prod/~functions").iterdir()], ["invoices.json"])


class Settings(unittest.TestCase):
    def test_what_cannot_be_is_refused_by_its_name(self) -> None:
        key = "ISk5JxiMfP3dJFSbVgklB3LdSVLF0I0zIZk-RfdYQKI"
        for options, words in (
            ({"environment": "Prod", "keys": key}, "environment"),
            ({"environment": "everywhere", "keys": key}, "environment"),
            ({"environment": "prod", "keys": []}, "keys"),
            ({"environment": "prod", "keys": ["hunter2"]}, "bellwire key"),
            ({"environment": "prod", "keys": key, "concurrency": 0}, "concurrency"),
            ({"environment": "prod", "keys": key, "files": "/files"}, "files"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                Worker("amqp://localhost", **options)  # type: ignore[arg-type]
        worker = Worker("amqp://localhost", environment="prod", keys=key)
        for name, seconds, words in (("a b", 60, "kind"), ("invoices", 26 * 60, "deadline")):
            with self.assertRaisesRegex(ValueError, words):
                worker.function(name, deadline=seconds)

    def test_what_the_broker_has_counted_is_not_told_of_a_task_that_waits_on(self) -> None:
        created = (datetime.now(UTC) - timedelta(hours=6)).isoformat().replace("+00:00", "Z")
        for attempts, redeliveries, told in ((0, 0, 0), (0, 2, 0), (1, 0, 2), (1, 3, 2)):
            job = Job.read(json.dumps(json.loads(EXAMPLE) | {"created": created, "attempts": attempts}).encode())
            event = TaskEvents(job, attempts + redeliveries + 1).still_queued()
            assert event is not None
            self.assertEqual(json.loads(event.body)["data"]["task"]["attempt"], told)

    def test_what_did_not_wait_is_owed_no_turn(self) -> None:
        turns = Turns()
        for _ in range(32):
            turns.took(1, is_first=True)
        self.assertEqual((turns.ranks(), turns.is_first_last()), ((0, 2, 1), True))
        turns.had_none(0)
        turns.had_none_behind_first()
        self.assertEqual((turns.ranks(), turns.is_first_last()), ((2, 1, 0), False))
        for _ in range(8):
            turns.took(2)
        self.assertEqual(turns.ranks(), (1, 2, 0))
        turns.had_none(1)
        self.assertEqual(turns.ranks(), (2, 1, 0))


if __name__ == "__main__":
    unittest.main()
