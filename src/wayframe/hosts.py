"""Hosts on the network: which addresses are public, and which one a name has at this moment."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from wayframe.errors import StoreError

_NAT64 = ip_network("64:ff9b::/96")
"""IPv6 addresses that carry an IPv4 one in their last 32 bits (RFC 6052)."""


def checked_address(host: str, *, port: int) -> str:
    """The first address of `host` as text, once all that it has are public.

    Whoever connects to the address that this returns, and not to the name, cannot be sent elsewhere by a second answer
    of the name server. Raises `StoreError` for a host that is not known, or that has an address of this machine, of a
    private network, or of no single host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StoreError(f"the host {host} is not known") from error
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    hidden = [address for address in addresses if not is_public(address)]
    if hidden or not addresses:
        raise StoreError(f"the host {host} is in a private network, which is not allowed here; use a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address (text) is that of one host on the public internet."""
    number = ip_address(address.partition("%")[0])
    if isinstance(number, IPv6Address) and (inner := _carried(number)) is not None:
        number = inner
    return number.is_global and not (number.is_multicast or number.is_reserved or number.is_unspecified)


def _carried(number: IPv6Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, 6to4, Teredo (the client's) or NAT64."""
    if number in _NAT64:
        return IPv4Address(int(number) & 0xFFFFFFFF)
    return number.ipv4_mapped or number.sixtofour or (number.teredo[1] if number.teredo else None)
