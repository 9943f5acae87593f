"""The samples are what their signer writes, and it makes new ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.local import signing

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted(file for file in (ROOT / "events").glob("*/*.json") if not file.name.endswith(".event.json"))
SOURCES = ROOT / "events/sources.json"


def write(file: Path, *arguments: object) -> None:
    signing.main([str(argument) for argument in (file, "--sources", SOURCES, "--write", *arguments)])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_sample_signed_again_is_the_same_file(sample: Path, tmp_path: Path) -> None:
    again = tmp_path / sample.parent.name / sample.name
    again.parent.mkdir()
    write(again, "--like", sample)
    assert again.read_bytes() == sample.read_bytes()


@pytest.mark.parametrize(("body", "is_base64"), [(b'{"event": "order.updated"}\n', False), (b"\xff\x00{", True)])
def test_a_new_sample_has_the_body_byte_for_byte(body: bytes, is_base64: bool, tmp_path: Path) -> None:
    given, new = tmp_path / "body.json", tmp_path / "scalev/order.updated.new.json"
    given.write_bytes(body)
    new.parent.mkdir()
    write(new, "--like", ROOT / "events/scalev/order.updated.2025.json", "--body", given)
    event = json.loads(new.read_text(encoding="utf-8"))
    assert (signing.body_bytes(event), event["isBase64Encoded"]) == (body, is_base64)
    source = json.loads(SOURCES.read_text(encoding="utf-8"))["scalev"]["sources"][signing.source_name(event)]
    made = signing.scalev_signature(source["signing_keys"][0], body)
    assert signing.header(event, signing.SCALEV_SIGNATURE) == made
