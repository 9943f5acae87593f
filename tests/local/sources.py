"""The sample sources of a local stack, and putting them where the receivers look."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.local.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_SOURCES = ROOT / "events" / "sources.json"


def sample_sources(kept: Path) -> dict[str, dict]:
    """The sample sources with keys and tokens of this stack's own, the same at every `up`.

    The ones in `events/sources.json` are published, and so are worth nothing as secrets.
    """
    sample = json.loads(SAMPLE_SOURCES.read_text())
    earlier = json.loads(kept.read_text()) if kept.exists() else {}
    fresh = {
        provider: {
            "sources": {
                name: with_own_keys(source, earlier.get(provider, {}).get("sources", {}).get(name, {}))
                for name, source in secret["sources"].items()
            },
            # What refused bodies are sealed with; none is published.
            "quarantine_key": earlier.get(provider, {}).get("quarantine_key") or secrets.token_urlsafe(32),
        }
        for provider, secret in sample.items()
    }
    kept.touch(mode=0o600)
    kept.write_text(json.dumps(fresh, indent=2) + "\n")
    return fresh


def with_own_keys(source: dict, earlier: dict) -> dict:
    """The source with every key and token replaced: by the earlier ones while there are enough."""
    own = dict(source)
    for kind in ("signing_keys", "url_tokens"):
        if kind in source:
            known = earlier.get(kind, [])[: len(source[kind])]
            missing = len(source[kind]) - len(known)
            own[kind] = known + [secrets.token_urlsafe(32) for _ in range(missing)]
    return own


def fill_secrets(stack: Stack, say: Callable[[str], None]) -> None:
    """Puts each provider's sources into its secret, where they are not there already."""
    client = stack.client("secretsmanager")
    for provider, value in stack.sources.items():
        secret = stack.outputs[f"{provider.capitalize()}Secret"]
        if read_secret(client, secret) != value:
            client.put_secret_value(SecretId=secret, SecretString=json.dumps(value))
            say(f"  secret of {provider}: {', '.join(value['sources'])}")


def read_secret(client, secret: str) -> dict | None:
    """The secret's value, or None for the empty secret that the template makes."""
    try:
        return json.loads(client.get_secret_value(SecretId=secret).get("SecretString") or "null")
    except client.exceptions.ResourceNotFoundException:
        return None
