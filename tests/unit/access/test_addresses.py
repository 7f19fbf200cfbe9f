"""Whose X-Forwarded-For is believed."""

from ipaddress import ip_network

import pytest

from clinic.access.addresses import caller
from clinic.settings import env
from clinic.settings.env import Proxies

NONE = Proxies()
INNER = Proxies(networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "found"),
    [
        (NONE, "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (Proxies(count=1), "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        (Proxies(count=1), "10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the left one is a lie
        (Proxies(count=2), "10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (Proxies(count=2), "10.0.0.1", "203.0.113.9", "10.0.0.1"),
        (Proxies(count=1), "10.0.0.1", "", "10.0.0.1"),
        (Proxies(count=1), "10.0.0.1", "unknown", "10.0.0.1"),
        (Proxies(count=1), "", "2001:DB8::1", "2001:db8::1"),
        (INNER, "10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (INNER, "192.0.2.1", "203.0.113.9", "192.0.2.1"),  # who is no proxy of ours is not believed
        (INNER, "fd00::1", "2001:db8::9", "2001:db8::9"),
        (INNER, "10.0.0.1", "10.0.0.7", "10.0.0.7"),
        (INNER, "10.0.0.1", "203.0.113.9, what", "10.0.0.1"),
        (INNER, "", "203.0.113.9", ""),
    ],
)
def test_the_address_before_the_trusted_hops(proxies: Proxies, peer: str, forwarded: str, found: str) -> None:
    assert caller(peer=peer, forwarded=forwarded, proxies=proxies) == found


@pytest.mark.parametrize(
    ("text", "proxies"),
    [("", NONE), ("0", NONE), ("2", Proxies(count=2)), ("10.0.0.0/8, fd00::/8", INNER)],
)
def test_how_it_is_written(text: str, proxies: Proxies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", text)
    assert env.proxies("TRUSTED_PROXIES") == proxies


@pytest.mark.parametrize("text", ["11", "proxy", "10.0.0.1/8", "1,2"])
def test_what_cannot_be_read_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", text)
    with pytest.raises(SystemExit, match="TRUSTED_PROXIES"):
        env.proxies("TRUSTED_PROXIES")
