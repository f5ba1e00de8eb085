"""A server of S3 over HTTP and over TLS: moto keeps the files, behind a check of every signature as AWS specifies it, for moto's
own check knows no signed links. A third port takes the same requests from anybody, as emulators of Google's storage do.

    server.py PORT TLS_PORT OPEN_PORT CERTIFICATE KEY ACCESS_KEY_ID SECRET_ACCESS_KEY BUCKET
"""

import datetime
import hashlib
import hmac
import sys
import threading
from urllib.parse import quote, unquote

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import Client

PORT, TLS_PORT, OPEN_PORT, CERTIFICATE, KEY, KEY_ID, SECRET, BUCKET = sys.argv[1:]
UNRESERVED = "-_.~"


class Refused(Exception):
    """The code of S3 for why a request is refused, and its words."""


def signed(environ):
    """What a request says of its signature: its parts, the hash of its content, and its query without the signature."""
    query = [part.partition("=") for part in environ["QUERY_STRING"].split("&") if part]
    query = [(unquote(name), unquote(value)) for name, _, value in query]
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if authorization.startswith("AWS4-HMAC-SHA256 "):
        parts = dict(part.strip().split("=", 1) for part in authorization.partition(" ")[2].split(","))
        date, content = environ["HTTP_X_AMZ_DATE"], environ["HTTP_X_AMZ_CONTENT_SHA256"]
        return parts["Credential"], parts["SignedHeaders"], parts["Signature"], date, content, query
    link = dict(query)
    if "X-Amz-Signature" not in link:
        raise Refused("AccessDenied", "Access Denied")
    date = datetime.datetime.strptime(link["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
    ends = date + datetime.timedelta(seconds=int(link["X-Amz-Expires"]))
    if datetime.datetime.now(datetime.timezone.utc) > ends:
        raise Refused("AccessDenied", "Request has expired")
    query = [pair for pair in query if pair[0] != "X-Amz-Signature"]
    return (
        link["X-Amz-Credential"], link["X-Amz-SignedHeaders"], link["X-Amz-Signature"], link["X-Amz-Date"],
        "UNSIGNED-PAYLOAD", query,
    )


def check(environ):
    credential, names, signature, date, content, query = signed(environ)
    key_id, *scope = credential.split("/")
    if key_id != KEY_ID:
        raise Refused("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")

    def header(name):
        variable = name.upper().replace("-", "_")
        return environ.get(variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}", "")

    path = quote(unquote(environ["REQUEST_URI"].partition("?")[0]), safe="/" + UNRESERVED)
    query = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query)
    headers = "".join(f"{name}:{' '.join(header(name).split())}\n" for name in names.split(";"))
    query = "&".join(f"{name}={value}" for name, value in query)
    request = "\n".join([environ["REQUEST_METHOD"], path, query, headers, names, content])
    text = "\n".join(["AWS4-HMAC-SHA256", date, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in [*scope, text]:
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), signature):
        raise Refused("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")


files = DomainDispatcherApplication(create_backend_app)
Client(files).put(f"/{BUCKET}", headers={"Host": "127.0.0.1"})


def serve(environ, start_response):
    try:
        check(environ)
    except Refused as refused:
        code, message = refused.args
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()]
    return files(environ, start_response)


def serve_anybody(environ, start_response):
    # Else moto takes it for somebody from the street.
    return files({**environ, "HTTP_AUTHORIZATION": "Bearer token"}, start_response)


for port, application, certificate in [(TLS_PORT, serve, (CERTIFICATE, KEY)), (OPEN_PORT, serve_anybody, None)]:
    server = make_server("127.0.0.1", int(port), application, threaded=True, ssl_context=certificate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
make_server("127.0.0.1", int(PORT), serve, threaded=True).serve_forever()
