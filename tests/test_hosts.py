"""Which addresses count as public."""

from __future__ import annotations

import pytest

from wayframe.errors import StoreError
from wayframe.hosts import checked_address, is_public


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1"),
        *("255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1"),
        *("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
    ],
)
def test_addresses_of_machines_networks_and_groups_are_not(address: str) -> None:
    assert not is_public(address)


def test_a_host_that_is_not_known_is_named() -> None:
    with pytest.raises(StoreError, match=r"the host nowhere\.invalid is not known"):
        checked_address("nowhere.invalid", port=80)
