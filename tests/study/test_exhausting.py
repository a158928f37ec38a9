"""Study files that would need minutes or gigabytes: the error names the rule and its limit."""

import pytest

from lkm_tune.study import StudyError
from lkm_tune.study.document import read_document

ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ALIASES, r"at most 20,000 values \(with aliases expanded\)"),
        ("[" * 5000 + "]" * 5000, "nested at most 50 deep"),
        ("{a: " * 60 + "1" + "}" * 60, "nested at most 50 deep"),
        ("a: " + "x" * 1_000_000, "at most 1,000,000 characters, but holds 1,000,003"),
    ],
)
def test_what_exhausts_is_refused(text, rule):
    with pytest.raises(StudyError, match=rule):
        read_document(text, "study.yaml")
