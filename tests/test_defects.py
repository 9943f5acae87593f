"""The simulator's deliberate defects fit the sources as they are, and each names a check that is there."""

from __future__ import annotations

import re

import pytest

from tests.simulator.defects import PATCHES, ROOT, Defect, all_defects, apply

DEFECTS = pytest.mark.parametrize("defect", all_defects(), ids=lambda defect: defect.name)


def test_there_are_defects() -> None:
    assert len(list(PATCHES.iterdir())) == len(all_defects()) >= 17


@DEFECTS
def test_a_patch_applies(defect: Defect) -> None:
    assert apply(defect, "--check") is None, "make the change to the code again and put `git diff` under the head"


@DEFECTS
def test_its_check_reports_its_invariant(defect: Defect) -> None:
    source = (ROOT / defect.file).read_text()
    function = re.search(rf"^( *)(pub )?(async )?fn {defect.check}\(.*?^\1}}$", source, re.MULTILINE | re.DOTALL)
    assert function is not None and f'"{defect.invariant}"' in function[0], f"{defect.file}: {defect.check}"
