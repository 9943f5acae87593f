"""Every provider has all its parts: what a fifth one lacks is named, wherever a compiler cannot."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests import e2e, e2e_checks
from tests.local import signing, sources
from tests.local.template import ROOT, Template, source
from tests.soak import names

PROVIDERS = signing.PROVIDERS
FILES = ("sources", "overrides", "signature_vectors")


def mentions(text: str, provider: str) -> list[str]:
    """The words of a text that name a provider, with a placeholder in its place."""
    words = re.findall(rf"[\w.]*{provider}[\w.]*", text, re.IGNORECASE)
    return [re.sub(provider, "PROVIDER", word, flags=re.IGNORECASE) for word in words]


def parts(template: Template, provider: str) -> Counter[str]:
    """Each place in the template that is of a provider, or names it, and how often."""
    found: Counter[str] = Counter()

    def look(value: object, path: str, own: bool) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                named = mentions(str(key), provider)
                look(inner, f"{path}/{named[0] if named else key}", own or bool(named))
        elif isinstance(value, list) and any(mentions(str(inner), provider) or isinstance(inner, dict) for inner in value):
            for inner in value:
                look(inner, path, own)
        else:
            words = mentions(str(value), provider)
            found.update(f"{path}: {word}" for word in words)
            # What is there at all in the provider's own blocks, whatever its value: one action or two.
            found.update([path] if own else [])

    look(template, "", False)
    return found


def missing(template: Template) -> dict[str, list[str]]:
    """Returns the template's parts that most providers have and one lacks."""
    of = {provider: parts(template, provider) for provider in PROVIDERS}
    wanted: Counter[str] = Counter()
    for part in set().union(*of.values()):
        counts = sorted(counter[part] for counter in of.values())
        wanted[part] = counts[len(counts) // 2]
    lacks = {provider: sorted((wanted - counter).keys()) for provider, counter in of.items()}
    return {provider: lacking for provider, lacking in lacks.items() if lacking}


def test_the_template_has_the_same_parts_for_every_provider() -> None:
    assert missing(source()) == {}


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("Resources ScalapayFails", "/Resources/PROVIDERFails"),
        ("Resources ScalapayRefuses", "/Resources/PROVIDERRefuses"),
        ("Resources ScalapaySecret DeletionPolicy", "/Resources/PROVIDERSecret/DeletionPolicy"),
        ("Resources ScalapayFunction Properties ReservedConcurrentExecutions", "/ReservedConcurrentExecutions"),
        ("Outputs ScalapayUrl", "/Outputs/PROVIDERUrl"),
        ("Outputs ScalapayFunction", "/Outputs/PROVIDERFunction"),
    ],
)
def test_an_omission_in_the_template_is_named(where: str, named: str) -> None:
    broken = source()
    *path, last = where.split()
    place = broken
    for word in path:
        place = place[word]
    del place[last]
    lacks = missing(broken)
    assert lacks.keys() == {"scalapay"} and any(named in part for part in lacks["scalapay"]), lacks


def test_an_omission_in_any_list_of_a_policy_is_named() -> None:
    """A policy of the operators, the watch's role or its receivers that has all but one."""
    lists: list[tuple[object, ...]] = []

    def look(value: object, path: tuple[object, ...]) -> None:
        if isinstance(value, list):
            alone = ["Scalapay" in str(inner) and "Selldone" not in str(inner) for inner in value]
            named = [index for index, is_alone in enumerate(alone) if is_alone]
            others = [inner for inner in value if "Selldone" in str(inner)]
            lists.extend((*path, index) for index in named if others)
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in pairs:
            look(inner, (*path, key))

    look(source(), ())
    assert len(lists) >= 8
    for *path, index in lists:
        broken = copy.deepcopy(source())
        place: object = broken
        for key in path:
            place = place[key]  # type: ignore[index]
        del place[index]  # type: ignore[attr-defined]
        assert missing(broken).keys() == {"scalapay"}, path


def test_every_provider_is_a_folder_everywhere() -> None:
    for folder in ("functions", "shared/webhook/src/providers", "shared/platforms/src/providers"):
        assert {provider for provider in PROVIDERS if not (ROOT / folder / provider).is_dir()} == set(), folder
    manual = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8").lower()
    assert [provider for provider in PROVIDERS if f"\n## {provider}\n" not in manual] == []
    targets = (ROOT / "tests" / "fuzz" / "src" / "reading.rs").read_text(encoding="utf-8")
    assert [provider for provider in PROVIDERS if f'reading("{provider}"' not in targets] == []
    dictionaries = ROOT / "shared" / "edge" / "dictionaries"
    assert [provider for provider in PROVIDERS if not list(dictionaries.glob(f"{provider}-*.zdict"))] == []


def test_every_provider_is_known_to_what_the_tests_write_on_their_own() -> None:
    """Signer, claims and secrets are written a second time on purpose; a provider that is left out goes untested."""
    everybody = set(PROVIDERS)
    assert set(names.CLAIMS) == everybody
    events = {name: json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8")) for name in FILES}
    assert set(events["overrides"]) == set(events["sources"]) == everybody
    schemes = {
        provider: {source["scheme"] for source in secret["sources"].values()}
        for provider, secret in events["sources"].items()
    }
    # A signature made elsewhere for each provider that signs.
    assert set(events["signature_vectors"]) == {name for name, used in schemes.items() if "signed" in used}
    assert set(e2e_checks.SECRET_PATHS) == everybody
    assert {provider for provider, _ in e2e.TARGETS.values()} == everybody
    assert set(e2e.SAMPLES) == set(e2e.TARGETS)


@pytest.mark.parametrize("target", e2e.TARGETS)
def test_every_target_can_be_signed(target: str, tmp_path: Path) -> None:
    provider, name = e2e.TARGETS[target]
    event = {**e2e.sample(provider, e2e.SAMPLES[target]), "rawPath": f"/{name}"}
    source = sources.sample_sources(tmp_path / "sources.json")[provider]["sources"][name]
    field = "url_tokens" if source["scheme"] == "url_token" else "signing_keys"
    first, other = (signing.sign(provider, event, {**source, field: [key]}) for key in ("a key", "another key"))
    assert first != other


def test_a_provider_without_a_signer_is_refused() -> None:
    event = e2e.sample("scalapay", e2e.SAMPLES["scalapay"])
    with pytest.raises(ValueError, match="no such provider"):
        signing.sign("nobody", event, {"scheme": "signed", "signing_keys": ["key"]})
