# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's view of a node: its doors as proxies, and the text of haproxy.cfg. Pure.

Names of proxies are an interface, drains and checks use them: `<service>` is a public
frontend with its servers, `<service>-in` a peer door whose only server is `local`,
`<service>-out` or `<service>-out-<member>` a local door. The server `serving/<service>`
in maintenance is a drain of the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from ipaddress import IPv6Address
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster

TLS_DIRECTORY = "/etc/mailcluster/tls"
SOCKET = "/run/haproxy/admin.sock"
STATE_FILE = "/run/mailcluster/haproxy.state"
# The backend whose servers say, by being in maintenance, which services of the node are drained.
SERVING = "serving"
EDGE = "edge"
# How much of the connections of a node the world may hold, in percent.
PUBLIC_SHARE = 80
PASSWORD_VARIABLE = "MAILCLUSTER_VALKEY_PASSWORD"

# IDLE may last 29 minutes without a byte (RFC 2177); a reply to DATA may take ten (RFC 5321, 4.5.3.2.6).
_IDLE_TIMEOUT = {"imap": "35m", "imaps": "35m"}
_DEFAULT_IDLE_TIMEOUT = "11m"

_MUTUAL_TLS = f"ssl crt {TLS_DIRECTORY}/node.pem ca-file {TLS_DIRECTORY}/ca.pem verify required"


@dataclass(frozen=True)
class Listen:
    """One proxy. `defaults` names the defaults section it starts from; the rest is HAProxy's own words.

    Without servers it is a frontend, without binds a backend.
    """

    name: str
    defaults: str = "base"
    mode: str = "tcp"
    binds: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        if not self.servers:
            return "frontend"
        return "listen" if self.binds else "backend"

    def as_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Listen:
        """Raises ClusterError for a key that is not a field, and for a missing name."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(value.keys() - known):
            raise _cluster.ClusterError(f"haproxy_listens: {value.get('name', '?')} has no key {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        if not value.get("name"):
            raise _cluster.ClusterError("haproxy_listens: an entry without a name")
        return cls(
            name=str(value["name"]),
            defaults=str(value.get("defaults", cls.defaults)),
            mode=str(value.get("mode", cls.mode)),
            binds=tuple(value.get("binds", ())),
            lines=tuple(value.get("lines", ())),
            servers=tuple(value.get("servers", ())),
        )


@dataclass(frozen=True)
class Settings:
    """What is the same in every proxy of the node."""

    maxconn: int = 8000
    connect_timeout: str = "500ms"
    check_interval: str = "1s"
    health_port: int = 12026
    extra: str = ""


def socket_address(address: str, port: int) -> str:
    """`address:port` with the address family spelt out, so that `::` is never split in the wrong place."""
    if isinstance(_cluster.parse_address(address), IPv6Address):
        return f"ipv6@{address}:{port}"
    return f"{address}:{port}"


def _binds(door: _cluster.Door, *options: str) -> tuple[str, ...]:
    # transparent: a standby has no VIP, and at boot an IPv6 address is still tentative (ip(7), IP_TRANSPARENT).
    transparent = () if door.kind == "local" else ("transparent",)
    return tuple(" ".join((socket_address(address, door.port), *transparent, *options)) for address in door.addresses)


def _idle(service: str) -> tuple[str, ...]:
    timeout = _IDLE_TIMEOUT.get(service, _DEFAULT_IDLE_TIMEOUT)
    return (f"timeout client {timeout}", f"timeout server {timeout}")


def public_maxconn(doors: Sequence[_cluster.Door], maxconn: int) -> int:
    """How many connections one public frontend may hold, so that all of them together leave a fifth to the health frontend and the peers.

    HAProxy accepts nothing anywhere at its global maxconn: strangers would demote edge after edge. What is
    served by the node itself passes its HAProxy twice.
    """
    own = {door.service for door in doors if door.kind == "peer"}
    passages = sum(2 if door.service in own else 1 for door in doors if door.kind == "public")
    return max(1, maxconn * PUBLIC_SHARE // 100 // max(1, passages))


def _to_peers(door: _cluster.Door, port: Mapping[str, Any], *, maxconn: int) -> Listen:
    sends_client = ("send-proxy-v2",) if port["address"] == "client" else ()
    return Listen(
        name=door.name,
        defaults="peers",
        binds=_binds(door),
        lines=(
            *((f"maxconn {maxconn}",) if door.kind == "public" else ()),
            *_idle(door.service),
            f"option httpchk GET /{door.service}",
            "http-check disable-on-404",
            # The filter does nothing; without one, 3.0.11 never closes a caller whose connection was still being made when its server
            # was marked down, and Postfix waits for minutes.
            *(("filter trace quiet", "default-server on-marked-down shutdown-sessions") if door.kind == "local" else ()),
        ),
        servers=tuple(
            " ".join(
                (
                    server.member.name,
                    socket_address(server.member.address, int(port["peer"])),
                    f"verifyhost {server.member.name}",
                    *sends_client,
                    *(("backup",) if server.backup else ()),
                )
            )
            for server in door.servers
        ),
    )


def _health_check(health: Mapping[str, Any], *, password: bool) -> tuple[str, ...]:
    match health["type"]:
        case "http":
            return (f"option httpchk GET {health['path']}",)
        case "sasl":
            return (
                "option tcp-check",
                f"tcp-check connect port {health['port']}",
                f"tcp-check connect port {health['sasl_port']}",
                # The greeting of Dovecot's auth process; its master alone, which holds the socket, says nothing.
                "tcp-check expect string VERSION",
            )
        case "valkey":
            return (
                "option tcp-check",
                *((f'tcp-check send "AUTH ${{{PASSWORD_VARIABLE}}}\\r\\n"', "tcp-check expect string +OK") if password else ()),
                # With QUIT the answer has an end: a replica fails at once, not after the timeout of the check.
                'tcp-check send "info replication\\r\\nQUIT\\r\\n"',
                "tcp-check expect string role:master",
            )
        case _:
            return ()


def _to_daemon(door: _cluster.Door, port: Mapping[str, Any], *, password: bool) -> Listen:
    accepts_proxy = ("accept-proxy",) if port["address"] == "client" else ()
    proxy = {1: ("send-proxy",), 2: ("send-proxy-v2",)}.get(port.get("proxy", 0), ())
    health = port["health"]
    return Listen(
        name=door.name,
        defaults="daemons",
        binds=_binds(door, *accepts_proxy, _MUTUAL_TLS),
        lines=(
            *_idle(door.service),
            *_health_check(health, password=password),
            # A daemon in state drain still serves who has not heard of it yet; only its health says "no more".
            "use-server local if TRUE",
        ),
        servers=(" ".join(("local", f"127.0.0.1:{port['daemon']}", *proxy, f"check port {health['port']}")),),
    )


def _answers(service: str, *, drainable: bool) -> tuple[str, ...]:
    door = f"{service}-in"
    return (
        *((f"http-request return status 404 if {{ path /{service} }} !{{ srv_is_up({SERVING}/{service}) }}",) if drainable else ()),
        f"http-request return status 200 if {{ path /{service} }} {{ nbsrv({door}) ge 1 }}",
        f"http-request return status 404 if {{ path /{service} }} {{ srv_is_up({door}/local) }}",
    )


def _health(ports: Mapping[str, Mapping[str, Any]], doors: Sequence[_cluster.Door], me: _cluster.Member, port: int) -> list[Listen]:
    """What peers ask (200 while the daemon is well, 404 while it is drained, else 503), and the drains themselves.

    A drain is the state of a server without traffic, so that HAProxy can remember it over a
    reload: its state file brings back the old port of a server, too.
    """
    services = [door.service for door in doors if door.kind == "peer"]
    # The primary of valkey is where it is: nobody else could take its sessions.
    drainable = [service for service in services if ports[service]["health"]["type"] != "valkey"]
    public = [door.service for door in doors if door.kind == "public"]
    some_public = " or ".join(f"{{ path /{EDGE} }} {{ nbsrv({name}) ge 1 }}" for name in public)
    frontend = Listen(
        name="health",
        mode="http",
        binds=(
            *(f"{socket_address(address, port)} transparent {_MUTUAL_TLS} alpn http/1.1" for address in me.addresses),
            *((f"127.0.0.1:{port}",) if public else ()),
        ),
        lines=(
            "no log",
            "timeout client 5s",
            *(line for service in services for line in _answers(service, drainable=service in drainable)),
            *(
                (
                    f"http-request return status 404 if {{ path /{EDGE} }} !{{ srv_is_up({SERVING}/{EDGE}) }}",
                    f"http-request return status 200 if {some_public}",
                )
                if public
                else ()
            ),
            "http-request return status 503",
        ),
    )
    flags = (*drainable, *((EDGE,) if public else ()))
    serving = Listen(
        name=SERVING,
        lines=("load-server-state-from-file global",),
        servers=tuple(f"{flag} 127.0.0.1:1" for flag in flags),
    )
    return [frontend, *([serving] if flags else [])]


def listens(
    ports: Mapping[str, Mapping[str, Any]],
    of_tier: _cluster.Members,
    node: str,
    regions: Sequence[Mapping[str, Any]],
    *,
    health_port: int = Settings.health_port,
    valkey_password: bool = False,
    maxconn: int = Settings.maxconn,
) -> list[Listen]:
    """Every proxy of one node. Raises ClusterError where the inventory does not allow an answer."""
    doors = _cluster.doors(ports, of_tier, node, regions)
    me = _cluster.find_member(of_tier, node)
    share = public_maxconn(doors, maxconn)
    return [
        *(
            _to_daemon(door, ports[door.service], password=valkey_password)
            if door.kind == "peer"
            else _to_peers(door, ports[door.service], maxconn=share)
            for door in doors
        ),
        *_health(ports, doors, me, health_port),
    ]


def _section(header: str, lines: Iterable[str]) -> str:
    return "\n".join([header, *(f"    {line}" for line in lines)]) + "\n"


def _default_server_for_peers(settings: Settings) -> str:
    return (
        f"default-server {_MUTUAL_TLS} check check-ssl port {settings.health_port}"
        f" inter {settings.check_interval} fastinter 300ms fall 2 rise 2"
        " observe layer4 error-limit 1 on-error fastinter tcp-ut 5s"
    )


def _fixed_sections(settings: Settings) -> list[str]:
    return [
        _section(
            "global",
            (
                "log /dev/log local0",
                "chroot /var/lib/haproxy",
                "user haproxy",
                "group haproxy",
                f"maxconn {settings.maxconn}",
                f"stats socket {SOCKET} mode 660 level admin expose-fd listeners",
                "stats timeout 30s",
                f"server-state-file {STATE_FILE}",
                "hard-stop-after 1h",
                "ssl-default-bind-options ssl-min-ver TLSv1.3",
                "ssl-default-server-options ssl-min-ver TLSv1.3",
            ),
        ),
        _section(
            "defaults base",
            (
                "log global",
                "option dontlognull",
                "option dontlog-normal",
                f"timeout connect {settings.connect_timeout}",
                f"timeout client {_DEFAULT_IDLE_TIMEOUT}",
                f"timeout server {_DEFAULT_IDLE_TIMEOUT}",
                "timeout check 2s",
            ),
        ),
        _section(
            "defaults peers from base",
            (
                "mode tcp",
                "option tcplog",
                "balance leastconn",
                "retries 3",
                "option redispatch 1",
                "option allbackups",
                "option abortonclose",
                # Sessions of a host that is gone end after 5 seconds.
                "option srvtcpka",
                "srvtcpka-idle 2s",
                "srvtcpka-intvl 1s",
                "srvtcpka-cnt 3",
                _default_server_for_peers(settings),
            ),
        ),
        _section(
            "defaults daemons from base",
            (
                "mode tcp",
                "option tcplog",
                "retries 3",
                "default-server inter 500ms fastinter 200ms fall 2 rise 2 on-marked-down shutdown-sessions",
            ),
        ),
    ]


def _proxy(listen: Listen) -> str:
    return _section(
        f"{listen.section} {listen.name} from {listen.defaults}",
        (
            *((f"mode {listen.mode}",) if listen.mode != "tcp" or listen.defaults == "base" else ()),
            *(f"bind {bind}" for bind in listen.binds),
            *listen.lines,
            *(f"server {server}" for server in listen.servers),
        ),
    )


def render(proxies: Iterable[Listen], settings: Settings) -> str:
    """The whole haproxy.cfg (HAProxy 2.6 and later)."""
    extra = [settings.extra.rstrip("\n") + "\n"] if settings.extra.strip() else []
    return "\n".join([*_fixed_sections(settings), *(_proxy(listen) for listen in proxies), *extra])
