"""Trains the zstd dictionary of a provider's bodies from the samples in `events/`, or that of order views.

    python shared/edge/dictionaries/train.py scalev 1
    python shared/edge/dictionaries/train.py views 1 --plain FOLDER

Writes `scalev-1.zdict` beside this file.  Order views are read from a folder: the attribute `view` of the orders table's
rows after `make run`, decompressed, a file each.  Rows name their dictionary for ever, so one that was released is never
written again: a new one gets the next version.  The samples are made up, and most of their values are replaced by
random ones of the same kind and length before training, so that the dictionary learns the form and no one's data.
Needs the command `zstd`, 1.5 or later.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import string
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
EVENTS = HERE.parents[2] / "events"
# The number in a frame is the kind's and the version; the format reserves those below 32,768. Numbers are for ever.
KINDS = {"scalev": 40_000, "scalapay": 41_000, "shopline": 42_000, "selldone": 43_000, "views": 44_000}
VARIANTS = 40
BYTES = {"views": 16_384}
BYTES_OF_BODIES = 8_192


def number(kind: str, version: int) -> int:
    """The number that frames name a dictionary by."""
    return KINDS[kind] + version


def bodies(provider: str) -> list[bytes]:
    """The bodies of a provider's samples, as they are sent."""
    events = [json.loads(path.read_text()) for path in sorted((EVENTS / provider).glob("*.json"))]
    deliveries = [event for event in events if isinstance(event.get("body"), str)]
    return [base64.b64decode(event["body"]) if event.get("isBase64Encoded") else event["body"].encode() for event in deliveries]


def varied(value: object, chance: random.Random) -> object:
    """The same form with other values: numbers and half of the texts are random."""
    match value:
        case dict():
            return {name: varied(member, chance) for name, member in value.items()}
        case list():
            return [varied(member, chance) for member in value]
        case str() if chance.random() < 0.5:
            return "".join(chance.choice(string.ascii_letters + string.digits) if one.isalnum() else one for one in value)
        case bool() | str() | None:
            return value
        case int() | float():
            return type(value)("".join(chance.choice(string.digits[1:]) if digit.isdigit() else digit for digit in str(value)))
    raise TypeError(value)


def variants(body: bytes, chance: random.Random) -> list[bytes]:
    """Makes other bodies of a sample's form, written with its spaces; none if the sample is not JSON."""
    try:
        document = json.loads(body)
    except ValueError:
        return []
    separators = (", ", ": ") if b'": ' in body else (",", ":")
    texts = (json.dumps(varied(document, chance), separators=separators, ensure_ascii=b"\\u" in body) for _ in range(VARIANTS))
    return [text.encode() for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("version", type=int)
    parser.add_argument("--plain", type=Path, help="train from this folder's files, not from events/")
    arguments = parser.parse_args()
    written = HERE / f"{arguments.kind}-{arguments.version}.zdict"
    if written.exists():
        parser.error(f"{written.name} is there already, and rows may name it")
    chance = random.Random(arguments.version)
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(arguments.plain.iterdir()) if arguments.plain else []
        samples = [file.read_bytes() for file in files] or bodies(arguments.kind)
        texts = [text for body in samples for text in variants(body, chance)]
        for place, text in enumerate(texts):
            (Path(folder) / f"{place:05}").write_bytes(text)
        command = ["zstd", "--train", "-r", folder, f"--maxdict={BYTES.get(arguments.kind, BYTES_OF_BODIES)}", f"--dictID={number(arguments.kind, arguments.version)}"]
        subprocess.run([*command, "-o", str(written), "-q"], check=True)
    print(f"{written.name}: {written.stat().st_size} bytes from {len(texts)} variants")


if __name__ == "__main__":
    main()
