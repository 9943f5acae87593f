"""The sample sources of a local stack, and putting them where the receivers look."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.local.ministack import StackError

if TYPE_CHECKING:
    from tests.local.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_SOURCES = ROOT / "events" / "sources.json"


def sample_sources(kept: Path) -> dict[str, dict]:
    """Returns the sample sources with keys and tokens of this stack's own, those of the file `kept` where it has some.

    The ones in `events/sources.json` are published, and so are worth nothing as secrets.
    """
    sample = json.loads(SAMPLE_SOURCES.read_text())
    earlier = json.loads(kept.read_text()) if kept.exists() else {}
    return {
        provider: {
            "sources": {
                name: with_own_keys(source, earlier.get(provider, {}).get("sources", {}).get(name, {}))
                for name, source in secret["sources"].items()
            },
            # Seals refused bodies; none is published.
            "quarantine_key": earlier.get(provider, {}).get("quarantine_key") or secrets.token_urlsafe(32),
        }
        for provider, secret in sample.items()
    }


def keep(fresh: dict[str, dict], kept: Path) -> None:
    """Writes sources into a file that only its owner can read, for the next command to find."""
    kept.touch(mode=0o600)
    kept.write_text(json.dumps(fresh, indent=2) + "\n")


def with_own_keys(source: dict, earlier: dict) -> dict:
    """Returns the source with every key and token replaced: by the earlier ones while there are enough."""
    own = dict(source)
    for kind in ("signing_keys", "url_tokens"):
        if kind in source:
            known = earlier.get(kind, [])[: len(source[kind])]
            missing = len(source[kind]) - len(known)
            own[kind] = known + [secrets.token_urlsafe(32) for _ in range(missing)]
    return own


def fill_secrets(stack: Stack, say: Callable[[str], None]) -> None:
    """Adds the stack's sources to its secrets, and reads into `stack.sources` what the secrets hold afterwards.

    A secret belongs to whoever uses the stack: a source that is there already stays as it is.
    """
    client = stack.client("secretsmanager")
    for provider, samples in stack.sources.items():
        secret = stack.outputs[f"{provider.capitalize()}Secret"]
        held = read_secret(client, secret) or {}
        merged = merge(samples, held)
        if merged != held:
            client.put_secret_value(SecretId=secret, SecretString=json.dumps(merged))
            added = [name for name in samples["sources"] if name not in held.get("sources", {})]
            say(f"  sources of {provider}: {', '.join(added) or 'none new'}")
        stack.sources[provider] = merged


def merge(samples: dict, held: dict) -> dict:
    """Returns what a secret holds, with the sources and the quarantine key of `samples` that it lacks."""
    return samples | held | {"sources": samples["sources"] | held.get("sources", {})}


def read_secret(client, secret: str) -> dict | None:
    """Returns the secret's value, or None for the empty secret that the template makes."""
    try:
        text = client.get_secret_value(SecretId=secret).get("SecretString") or "null"
    except client.exceptions.ResourceNotFoundException:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise StackError(f"The secret {secret} is not JSON. Correct it, or begin again with: make stop") from None
