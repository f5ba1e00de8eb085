"""Reads a mail from standard input with Python's own parser, and writes what it is as JSON."""
import email, email.policy, hashlib, json, sys

mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
attached = [
    {
        "name": part.get_filename(),
        "type": part.get_content_type(),
        "sha256": hashlib.sha256(part.get_payload(decode=True)).hexdigest(),
        "bytes": len(part.get_payload(decode=True)),
    }
    for part in mail.iter_attachments()
]
json.dump(
    {
        "headers": sorted({name.lower() for name in mail.keys()}),
        "defects": [str(defect) for part in mail.walk() for defect in part.defects],
        "subject": mail["subject"],
        "from": [[each.display_name, each.addr_spec] for each in mail["from"].addresses],
        "to": [[each.display_name, each.addr_spec] for each in mail["to"].addresses],
        "id": mail["message-id"],
        "automatic": mail["auto-submitted"],
        "text": mail.get_body(("plain",)).get_content(),
        "html": mail.get_body(("html",)).get_content(),
        "attached": attached,
    },
    sys.stdout,
)
