"""What `lkm-tune serve` was started with."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

PORT = 8420
ANY = ("0.0.0.0", "::", "[::]")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        storage: the storage folder, absolute.
        token: the secret that writing needs, and every request from beyond loopback.
        token_file: the file of the token, which may get another token; None without.
        host: the address that the server listens on.
        hosts: further names of the server that a `Host` header may have.
        always_token: whether reading needs the token also from loopback, as behind a proxy.
        own_models: whether submitted studies may name models `package.module:function`.
        data: the folders whose files submitted studies may name.
        address: the address of a running Ray for submitted studies; None starts Ray here.
        jobs: the address of Ray's dashboard, which takes jobs; "" without.
        mlflow: the address of the MLflow server in links; "" without.
    """

    storage: Path
    token: str
    token_file: Path | None = None
    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    always_token: bool = False
    own_models: bool = False
    data: tuple[Path, ...] = ()
    address: str | None = None
    jobs: str = ""
    mlflow: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The names that a `Host` header may have, in lower case, without a port."""
        own = () if self.everywhere else (bracketed(self.host),)
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, *own, *self.hosts))

    @property
    def everywhere(self) -> bool:
        """Whether the server listens on every address of the machine."""
        return self.host in ANY

    @property
    def only_loopback(self) -> bool:
        """Whether the server listens on loopback alone."""
        return self.host == "localhost" or is_loopback(self.host)


def bracketed(host: str) -> str:
    """A host as a `Host` header names it: an IPv6 address has brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Whether an IP address is a loopback address; False for a name."""
    if not is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)
