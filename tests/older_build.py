"""A stack on which an older build is deployed: its reader answers with the readings that a test gives it."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests import e2e
from tests.local.stack import Stack

FUNCTION = STACK = "older-build"
# A custom runtime, as Lambda starts one: it answers an event's id with its reading.
BOOTSTRAP = """#!{python}
import json, os, urllib.request

API = f"http://{{os.environ['AWS_LAMBDA_RUNTIME_API']}}/2018-06-01/runtime/invocation"
READINGS = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "readings.json")))
UNKNOWN = {{"errorType": "Unknown", "errorMessage": "nothing is kept under this name"}}

while True:
    with urllib.request.urlopen(f"{{API}}/next") as call:
        number, question = call.headers["Lambda-Runtime-Aws-Request-Id"], json.load(call)
    reading = READINGS.get(question["id"])
    outcome, answer = ("error", UNKNOWN) if reading is None else ("response", reading)
    urllib.request.urlopen(f"{{API}}/{{number}}/{{outcome}}", json.dumps(answer).encode()).close()
"""


@contextmanager
def deployed(stack: Stack, readings: dict[str, dict]) -> Iterator[str]:
    """Gives the name of a second stack over the same tables and queues, whose reader has these readings by event id."""
    client = stack.client("lambda")
    role = client.get_function_configuration(FunctionName=stack.outputs["ReadFunction"])["Role"]
    client.create_function(
        FunctionName=FUNCTION,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=role,
        Code={"ZipFile": archive({"bootstrap": BOOTSTRAP.format(python=sys.executable), "readings.json": readings})},
    )
    try:
        with e2e.stack_of_outputs(stack, STACK, stack.outputs | {"ReadFunction": FUNCTION}) as name:
            yield name
    finally:
        client.delete_function(FunctionName=FUNCTION)


def archive(files: dict[str, str | dict]) -> bytes:
    """Returns a zip file of these files, all of them executable."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            written.writestr(entry, content if isinstance(content, str) else json.dumps(content))
    return packed.getvalue()
