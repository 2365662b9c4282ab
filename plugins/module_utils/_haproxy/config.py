# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's view of a node: its doors as proxies, and the text of haproxy.cfg. Pure.

Names of proxies are an interface, drains and checks use them: `<service>` is a public
frontend with its servers, `<service>-in` a peer door whose only server is `local`,
`<service>-out` or `<service>-out-<member>` a local door. The server `serving/<service>`
in maintenance is a drain of the service. The table `edges/bans` holds the banned clients of all edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from ipaddress import IPv6Address, ip_network
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster

TLS_DIRECTORY = "/etc/mailcluster/tls"
SOCKET = "/run/haproxy/admin.sock"
STATE_FILE = "/run/mailcluster/haproxy.state"
# The backend whose servers say, by being in maintenance, which services of the node are drained.
SERVING = "serving"
EDGE = "edge"
# The section whose tables the edges share, the table of banned clients in it, and that of the clients of this edge.
PEERS = "edges"
BANS = "bans"
CLIENTS = "clients"
# A day less than what HAProxy takes for the life of an entry, 24.8 days (2^31 milliseconds), in days.
LONGEST_BAN = 23
# Seconds over which the connections of a client are counted.
RATE_PERIOD = 10
# The edge calls a peer by name (SNI) only when it has ended the TLS of the client. A protocol (ALPN) would be in the PROXY header, too,
# for which Dovecot refuses the connection.
_OFFLOADED = "ssl_fc_has_sni"
# How much of the connections of a node the world may hold, in percent.
PUBLIC_SHARE = 80
PASSWORD_VARIABLE = "MAILCLUSTER_VALKEY_PASSWORD"
PEERS_MODE = "peers"

# IDLE may last 29 minutes without a byte (RFC 2177); a reply to DATA may take ten (RFC 5321, 4.5.3.2.6).
_IDLE_TIMEOUT = {"imap": "35m", "imaps": "35m"}
_DEFAULT_IDLE_TIMEOUT = "11m"

# What Postfix and Dovecot offer clients themselves (RFC 9325).
PUBLIC_TLS = f"ssl crt {TLS_DIRECTORY}/service.pem ssl-min-ver TLSv1.2 no-tls-tickets ciphers ECDHE+AESGCM:ECDHE+CHACHA20"
_MUTUAL_TLS = f"ssl crt {TLS_DIRECTORY}/node.pem ca-file {TLS_DIRECTORY}/ca.pem verify required"


@dataclass(frozen=True)
class Listen:
    """One proxy. `defaults` names the defaults section it starts from; the rest is HAProxy's own words.

    Without binds it is a backend, without servers a frontend; of mode C(peers) it is no proxy, but a peers section.
    """

    name: str
    defaults: str = "base"
    mode: str = "tcp"
    binds: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        if self.mode == PEERS_MODE:
            return "peers"
        if not self.binds:
            return "backend"
        return "listen" if self.servers else "frontend"

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
    # The name of the node in the peers section.
    node: str = ""


@dataclass(frozen=True)
class Limits:
    """What one client may have of the public frontends. An IPv6 client is its /64; 0 is no limit."""

    connections: int = 500
    rate: int = 1000
    exempt: tuple[str, ...] = ()


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


def _guard(limits: Limits) -> tuple[str, ...]:
    """Turn away who is banned or has too much, before a byte is read."""
    exempt = " ".join(str(ip_network(network)) for network in limits.exempt)
    # An IPv6 host has a whole /64 to call from.
    client = "src,ipmask(32,64)"
    return (
        *((f"tcp-request connection accept if {{ src {exempt} }}",) if exempt else ()),
        "tcp-request connection set-var(sess.now) date",
        f"tcp-request connection reject if {{ {client},table_gpt0({PEERS}/{BANS}),sub(sess.now) gt 0 }}",
        *((f"tcp-request connection track-sc0 {client} table {CLIENTS}",) if limits.connections or limits.rate else ()),
        *((f"tcp-request connection reject if {{ sc0_conn_cur({CLIENTS}) gt {limits.connections} }}",) if limits.connections else ()),
        *((f"tcp-request connection reject if {{ sc0_conn_rate({CLIENTS}) gt {limits.rate} }}",) if limits.rate else ()),
    )


def _server(server: _cluster.Server, port: Mapping[str, Any], *options: str, name: str = "") -> str:
    return " ".join(
        (
            name or server.member.name,
            socket_address(server.member.address, int(port["peer"])),
            f"verifyhost {server.member.name}",
            *(("send-proxy-v2",) if port["address"] == "client" else ()),
            *options,
            *(("backup",) if server.backup else ()),
        )
    )


def _shared(ports: Mapping[str, Mapping[str, Any]], service: str) -> dict[str, Mapping[str, Any]]:
    """The services of further instances that take a share of a service's clients."""
    return {name: port for name, port in ports.items() if port.get("joins") == service}


_END_SESSIONS = "default-server on-marked-down shutdown-sessions"


def _ends(port: Mapping[str, Any]) -> tuple[str, ...]:
    """What ends the sessions of a server that is dead or frozen, if another one can take them.

    Nobody else has the mailboxes of a node: where it is only slow, a session goes on, for what is delivered once more may be delivered
    twice. Sessions of a host that is gone end by their keepalive.
    """
    return () if port["tier"] == "mailbox" else (_END_SESSIONS,)


# It does nothing; without a filter, 3.0.11 never closes a caller whose connection was still being made when its server was marked down,
# and Postfix waits for minutes.
_FILTER = "filter trace quiet"


def _to_peers(door: _cluster.Door, ports: Mapping[str, Mapping[str, Any]]) -> Listen:
    port = ports[door.service]
    return Listen(
        name=door.name,
        defaults="peers",
        binds=_binds(door),
        lines=(
            *_idle(door.service),
            *_asks(door.service),
            _FILTER,
            *_ends(port),
        ),
        servers=tuple(_server(server, port) for server in door.servers),
    )


def _asks(service: str) -> tuple[str, str]:
    return (f"option httpchk GET /{service}", "http-check disable-on-404")


def _probed(port: Mapping[str, Any], addresses: Sequence[str]) -> tuple[str, ...]:
    """Take from the loopback who says that he is this node, and nobody else."""
    return (f"tcp-request session reject if {{ so_name probe }} !{{ src {' '.join(addresses)} }}",) if "probe" in port else ()


def _to_world(door: _cluster.Door, ports: Mapping[str, Mapping[str, Any]], own: Sequence[str], *, maxconn: int, limits: Limits, offload: bool) -> Listen:
    port, shared = ports[door.service], _shared(ports, door.service)
    rest = 100 - sum(int(other["share"]) for other in shared.values())

    def called(server: _cluster.Server) -> tuple[str, ...]:
        return (f"sni str({server.member.name})",) if offload else ()

    return Listen(
        name=door.name,
        defaults="peers",
        binds=(
            *_binds(door, *((PUBLIC_TLS,) if offload else ())),
            *((f"{socket_address('127.0.0.1', int(port['probe']))} name probe accept-proxy",) if "probe" in port else ()),
        ),
        lines=(
            f"maxconn {maxconn}",
            *_idle(door.service),
            *_guard(limits),
            *_probed(port, own),
            *_asks(door.service),
            _FILTER,
            *_ends(port),
            # To count connections at a server says nothing of a share while there are few.
            *(("balance roundrobin",) if shared else ()),
        ),
        servers=(
            *(_server(server, port, *called(server), *((f"weight {rest}",) if shared else ())) for server in door.servers),
            *(
                _server(
                    server,
                    other,
                    *called(server),
                    f"no-check track {name}/{server.member.name} weight {other['share']}",
                    name=f"{server.member.name}-{name}",
                )
                for name, other in shared.items()
                for server in door.servers
            ),
        ),
    )


def _joining(door: _cluster.Door, ports: Mapping[str, Mapping[str, Any]]) -> list[Listen]:
    """Backends that only watch servers which join the frontend of another service and have none of their own."""
    return [
        Listen(name=name, defaults="peers", lines=_asks(name), servers=tuple(_server(server, port) for server in door.servers))
        for name, port in _shared(ports, door.service).items()
        if not port.get("public")
    ]


def _transaction(port: int) -> tuple[str, ...]:
    """A mail transaction up to its recipient, whom a well Postfix looks up and refuses for good."""
    steps = (
        ("", "^220 "),
        ("HELO localhost", "^250 "),
        ("MAIL FROM:<>", "^250 "),
        ("RCPT TO:<mailcluster-health>", "^5"),
        ("QUIT", "^221 "),
    )
    return (
        f"tcp-check connect port {port}",
        *(line for command, reply in steps for line in (*((f'tcp-check send "{command}\\r\\n"',) if command else ()), f'tcp-check expect rstring "{reply}"')),
    )


def _health_check(health: Mapping[str, Any], *, password: bool) -> tuple[str, ...]:
    match health["type"]:
        case "http":
            return (f"option httpchk GET {health['path']}",)
        case "smtp":
            return ("option tcp-check", *_transaction(health["port"]))
        case "sasl":
            return (
                "option tcp-check",
                *_transaction(health["port"]),
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


def _to_daemon(door: _cluster.Door, port: Mapping[str, Any], *, password: bool, asked: str = "") -> Listen:
    """The door of the node to a daemon of its own; C(asked) is the door whose check says how it is, when it needs none itself."""
    accepts_proxy = ("accept-proxy",) if port["address"] == "client" else ()
    proxy = {1: ("send-proxy",), 2: ("send-proxy-v2",)}.get(port.get("proxy", 0), ())
    health = port["health"]
    daemon = " ".join((f"127.0.0.1:{port['daemon']}", *proxy))
    # The daemon speaks TLS with whom the edge has not spoken it already, and knows the session for secure.
    tls = (f"use-server tls if {{ {_OFFLOADED} }}",) if port.get("tls") else ()
    return Listen(
        name=door.name,
        defaults="daemons",
        binds=_binds(door, *accepts_proxy, _MUTUAL_TLS),
        lines=(
            *_idle(door.service),
            *_ends(port),
            *(() if asked else _health_check(health, password=password)),
            *tls,
            # A daemon in state drain still serves who has not heard of it yet; only its health says "no more".
            "use-server local if TRUE",
        ),
        servers=(
            f"local {daemon} " + (f"track {asked}/local" if asked else f"check port {health['port']}"),
            *((f"tls {daemon} ssl verify none track {asked or door.name}/local",) if tls else ()),
        ),
    )


def _to_daemons(doors: Sequence[_cluster.Door], ports: Mapping[str, Mapping[str, Any]], *, password: bool) -> dict[str, Listen]:
    """The peer doors by name. What is well by the same answer is asked once."""
    first: dict[str, str] = {}
    found = {}
    for door in doors:
        question = repr(ports[door.service]["health"])
        found[door.name] = _to_daemon(door, ports[door.service], password=password, asked=first.get(question, ""))
        first.setdefault(question, door.name)
    return found


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


def _statistics(port: int, me: _cluster.Member, networks: Sequence[str]) -> Listen:
    """The page and the figures of HAProxy, on loopback and, in TLS, for the networks that may read them."""
    allowed = " ".join(("127.0.0.0/8", *(str(ip_network(network)) for network in networks)))
    return Listen(
        name="statistics",
        mode="http",
        binds=(
            f"127.0.0.1:{port}",
            *(f"{socket_address(address, port)} transparent ssl crt {TLS_DIRECTORY}/node.pem alpn http/1.1" for address in me.addresses if networks),
        ),
        lines=(
            "no log",
            "timeout client 10s",
            f"http-request deny unless {{ src {allowed} }}",
            "http-request use-service prometheus-exporter if { path /metrics }",
            "stats enable",
            "stats uri /",
            "stats refresh 10s",
        ),
    )


def _edges(port: int, of_tier: _cluster.Members, me: _cluster.Member) -> list[Listen]:
    """What the edges tell each other in mutual TLS: who is banned. And the clients of this edge, which it tells nobody."""
    return [
        Listen(
            name=PEERS,
            mode=PEERS_MODE,
            # HAProxy takes one address only.
            binds=(f"{socket_address(me.address, port)} transparent {_MUTUAL_TLS}",),
            lines=(f"default-server {_MUTUAL_TLS}", f"table {BANS} type ipv6 size 100k expire {LONGEST_BAN + 1}d store gpt0"),
            # What has no address is this edge itself.
            servers=tuple(
                edge.name if edge == me else f"{edge.name} {socket_address(edge.address, port)} verifyhost {edge.name}" for edge in of_tier.get(EDGE, ())
            ),
        ),
        Listen(name=CLIENTS, lines=(f"stick-table type ipv6 size 100k expire 1m store conn_cur,conn_rate({RATE_PERIOD}s)",)),
    ]


def offload_errors(offload: Iterable[str], ports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Why the edge cannot end the TLS of a service."""
    able = [service for service, port in ports.items() if port.get("tls") and port.get("public")]
    return [
        f"{service} "
        + ("begins in clear text, and only its daemon can begin TLS" if ports.get(service, {}).get("public") else "is no service for clients")
        + f"; possible are {', '.join(able)}"
        for service in offload
        if service not in able
    ]


def listens(
    ports: Mapping[str, Mapping[str, Any]],
    of_tier: _cluster.Members,
    node: str,
    regions: Sequence[Mapping[str, Any]],
    *,
    health_port: int = Settings.health_port,
    valkey_password: bool = False,
    maxconn: int = Settings.maxconn,
    limits: Limits | None = None,
    tls_offload: Sequence[str] = (),
    monitoring_networks: Sequence[str] = (),
) -> list[Listen]:
    """Every proxy of one node. Raises ClusterError where the inventory does not allow an answer."""
    doors = _cluster.doors(ports, of_tier, node, regions)
    me = _cluster.find_member(of_tier, node)
    share = public_maxconn(doors, maxconn)
    if errors := offload_errors(tls_offload, ports):
        raise _cluster.ClusterError(*(f"haproxy_tls_offload: {error}" for error in errors))
    to_daemons = _to_daemons([door for door in doors if door.kind == "peer"], ports, password=valkey_password)
    public = [door for door in doors if door.kind == "public"]
    to_world = {
        door.name: _to_world(door, ports, me.addresses, maxconn=share, limits=limits or Limits(), offload=door.service in tls_offload) for door in public
    }
    return [
        *(to_daemons.get(door.name) or to_world.get(door.name) or _to_peers(door, ports) for door in doors),
        *(listen for door in public for listen in _joining(door, ports)),
        *_health(ports, doors, me, health_port),
        *(_statistics(int(port["admin"]), me, monitoring_networks) for port in ports.values() if "admin" in port),
        *(listen for service, port in ports.items() if service == BANS and public for listen in _edges(int(port["peer"]), of_tier, me)),
    ]


def _section(header: str, lines: Iterable[str]) -> str:
    return "\n".join([header, *(f"    {line}" for line in lines)]) + "\n"


def _default_server_for_peers(settings: Settings) -> str:
    return (
        f"default-server {_MUTUAL_TLS} check check-ssl port {settings.health_port}"
        f" inter {settings.check_interval} fastinter 300ms fall 2 rise 2"
        " observe layer4 error-limit 1 on-error fastinter tcp-ut 5s"
    )


def _keepalive(side: str, *, idle: int, interval: int) -> tuple[str, ...]:
    return (f"option {side}tcpka", f"{side}tcpka-idle {idle}s", f"{side}tcpka-intvl {interval}s", f"{side}tcpka-cnt 3")


def _fixed_sections(settings: Settings) -> list[str]:
    return [
        _section(
            "global",
            (
                # Not as an emergency, which syslog calls out to every terminal.
                "log /dev/log local0 debug crit",
                "chroot /var/lib/haproxy",
                "user haproxy",
                "group haproxy",
                f"maxconn {settings.maxconn}",
                *((f"localpeer {settings.node}",) if settings.node else ()),
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
                # Half a session is nobody's: its other end is gone, or has closed.
                "timeout client-fin 10s",
                "timeout server-fin 10s",
                "timeout check 2s",
                # Sessions of a client in the world that is gone end after 90 seconds.
                *_keepalive("cli", idle=60, interval=10),
            ),
        ),
        _section(
            "defaults peers from base",
            (
                "mode tcp",
                "option tcplog",
                "balance leastconn",
                # Long enough for the checks to find out about a server that is frozen or cut off: then the next attempt goes elsewhere.
                "retries 6",
                "option redispatch 1",
                "option allbackups",
                "option abortonclose",
                # Sessions of a host that is gone end after 5 seconds.
                *_keepalive("srv", idle=2, interval=1),
                _default_server_for_peers(settings),
            ),
        ),
        _section(
            "defaults daemons from base",
            (
                "mode tcp",
                "option tcplog",
                "retries 3",
                *_keepalive("cli", idle=2, interval=1),
                "default-server inter 500ms fastinter 200ms fall 2 rise 2",
            ),
        ),
    ]


def _proxy(listen: Listen) -> str:
    if listen.mode == PEERS_MODE:
        return _section(f"peers {listen.name}", (*(f"bind {bind}" for bind in listen.binds), *listen.lines, *(f"server {server}" for server in listen.servers)))
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
    found = list(proxies)
    named = settings if any(listen.mode == PEERS_MODE for listen in found) else replace(settings, node="")
    return "\n".join([*_fixed_sections(named), *(_proxy(listen) for listen in found), *extra])
