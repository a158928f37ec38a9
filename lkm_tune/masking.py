"""Masks the passwords of addresses and of the environment in text."""

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

MASK = "***"

SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Environment variables whose values are secret."""

ADDRESSES = ("MLFLOW_TRACKING_URI",)
"""Environment variables whose values may hold a password."""

SHORTEST = 4
"""A shorter secret is masked only in addresses: other text may contain it by chance."""

# The match ends at the last `@`, because an unquoted password may contain `@`, `:` and `/`.
_IN_ADDRESS = re.compile(r"(://[^\s:/@]*:)([^\s]+)(?=@)")
_IN_QUERY = re.compile(r"([?&](?:\w*passw(?:or)?d|pwd|token|secret)=)([^\s&'\"]+)", re.IGNORECASE)


def masked(text: str) -> str:
    """The text with `***` for every password in an address, and for the secrets of MLflow.

    The mask replaces `scheme://user:PASSWORD@host` and `?password=PASSWORD` in any address. It also
    replaces the values of `MLFLOW_TRACKING_PASSWORD` and `MLFLOW_TRACKING_TOKEN`, and the password
    of `MLFLOW_TRACKING_URI`, anywhere in the text, if they have at least four characters.
    """
    for pattern in (_IN_ADDRESS, _IN_QUERY):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    for secret in sorted(set(_known()), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _known() -> Iterator[str]:
    found = [os.environ.get(name, "") for name in SECRETS]
    for name in ADDRESSES:
        address = os.environ.get(name, "")
        for pattern in (_IN_ADDRESS, _IN_QUERY):
            found += [match[2] for match in pattern.finditer(address)]
    for secret in found:
        yield from (one for one in (secret, unquote(secret)) if len(one) >= SHORTEST)
