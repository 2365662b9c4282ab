# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation, master_cf, references, report
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import Before


def made(*, main: dict[str, Any] | None = None, local: dict[str, Any] | None = None, maxproc: str = "-") -> generation.Generation:
    services = [master_cf.service({"service": "10025", "type": "inet", "command": "smtpd", "maxproc": maxproc})]
    tables = [generation.Table("checks", "texthash", "a REJECT\n")]
    return generation.build(main=main or {"mynetworks": ""}, local=local or {"myhostname": "mx1.test"}, services=services, tables=tables)


def state(made_of: generation.Generation, /, **more: Any) -> Before:
    defaults: dict[str, Any] = {
        "active": made_of.name,
        "loaded": made_of.name,
        "running": True,
        "enabled": True,
        "files": made_of.files,
        "loaded_files": made_of.files,
    }
    return Before(**{**defaults, **more})


def describe(before: Before, generations: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    flags = {name: more.pop(name) for name in ("defaults", "content") if name in more and isinstance(more[name], bool)}
    return report.describe("postfix-mx", before, generations, report.Node(**{"config": "/etc/postfix-mx", **more}), **flags)


def node(before: Before, *, release: str = "13") -> dict[str, Any]:
    return {"release": release, "instances": [describe(before, [before.active])]}


PLAIN = made()
EDITED = {**PLAIN.files, "main.cf": PLAIN.files["main.cf"].replace("mynetworks =", "mynetworks = 0.0.0.0/0")}


def test_digests_come_from_the_files() -> None:
    told = describe(state(PLAIN, active="0-0", loaded="0-0"))
    assert (told["shared"], told["local"]) == (PLAIN.shared, PLAIN.local)


def test_shared_parameters_have_what_a_node_overrides_but_not_its_own() -> None:
    told = describe(state(made(main={"a": "1", "b": "2"}, local={"b": "3", "c": "4"})))
    assert (told["variables"]["main"], told["variables"]["local"]) == ({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    assert told["parameters"] == {"a": "1", "b": "3", "c": "4"}


@pytest.mark.parametrize(
    ("owner", "names", "errors"),
    [
        pytest.param("mailcluster.postfix.mx", ["postfix-relay"], 1, id="a profile's"),
        pytest.param("mailcluster.postfix.mx", ["postfix-mx"], 0, id="claimed"),
        pytest.param("acme.mail.mx", [], 0, id="of a role of the site"),
        pytest.param("mx", [], 0, id="of a role of the site beside the playbook"),
        pytest.param("", [], 0, id="of nobody"),
    ],
)
def test_an_instance_that_its_profile_claims_no_more_is_reported(owner: str, names: list[str], errors: int) -> None:
    found = report.compare({"mx1": node(state(PLAIN, owner=owner))}, {"mx1": names})["errors"]
    assert len([error for error in found if error.startswith("postfix-mx (mx1): no role claims the instance")]) == errors


def test_equal_nodes_with_their_own_names_are_one_tier() -> None:
    nodes = {"mx1": node(state(PLAIN)), "mx2": node(state(made(local={"myhostname": "mx2.test"})))}
    assert report.compare(nodes, {}) == {"errors": [], "differences": []}


@pytest.mark.parametrize(
    ("before", "error"),
    [
        pytest.param(state(PLAIN, files=EDITED), "postfix-mx (mx1): edited by hand: generation " + PLAIN.name, id="edited by hand"),
        pytest.param(state(PLAIN, running=False), "postfix-mx (mx1): master is not running", id="dead"),
        pytest.param(state(PLAIN, loaded="old", loaded_files=made(maxproc="1").files), "master runs old, not", id="not loaded"),
        pytest.param(state(PLAIN, loaded="", loaded_files=None), "master runs an unknown generation", id="unknown"),
        pytest.param(state(PLAIN, unproven=True), "no probe has seen", id="killed before the probe"),
        pytest.param(Before(), "postfix-mx (mx1): no generation is active", id="none"),
    ],
)
def test_fault_of_a_node_is_named(before: Before, error: str) -> None:
    assert any(error in line for line in report.compare({"mx1": node(before)}, {})["errors"])


def test_stopped_instance_is_no_error() -> None:
    assert report.compare({"mx1": node(state(PLAIN, running=False, enabled=False))}, {})["errors"] == []


def test_drift_names_instance_release_digests_and_nodes() -> None:
    other = made(main={"mynetworks": "10.0.0.0/8"})
    nodes = {"mx1": node(state(PLAIN)), "mx2": node(state(other)), "mx3": node(state(PLAIN))}
    assert report.compare(nodes, {})["errors"] == [
        f"postfix-mx on Debian 13: the shared digest differs: {PLAIN.shared} on mx1, mx3; {other.shared} on mx2",
        "  mynetworks: mx1, mx3: (empty); mx2: 10.0.0.0/8",
    ]


def test_drift_of_services_and_policy_tables_is_shown_by_node_and_line() -> None:
    services = [master_cf.service({"service": "10025", "type": "inet", "command": "smtpd"})]
    first, second = (
        generation.build(main={"a": "1"}, local={}, services=of, tables=[generation.Table("checks", "texthash", text)])
        for of, text in ((services, "a REJECT\nb OK\n"), (services * 0, "a REJECT\nc OK\n"))
    )
    assert report.compare({"mx1": node(state(first)), "mx2": node(state(second))}, {})["errors"][1:] == [
        "  service 10025/inet: mx1: 10025      inet       n  -  n  -      -    smtpd; mx2: not set",
        "  table checks: mx1: 2 lines; mx2: 2 lines",
        "    --- mx1",
        "    +++ mx2",
        "    @@ -2 +2 @@",
        "    -b OK",
        "    +c OK",
    ]


DATA = "/etc/mailcluster/postfix-mx/data/recipients"


def with_table(text: str, *, release: str = "13", compiled: bool = True, rows: bool = True, **more: Any) -> dict[str, Any]:
    """A node whose instance looks up a data table."""
    reference = references.of_files(
        {"main.cf": f"virtual_mailbox_maps = lmdb:{more.pop('path', DATA)}\n", "master.cf": ""}, directory="/etc/postfix-mx", defaults={}
    )
    entry = report.TableFile(
        references=reference, entries=len(text.splitlines()), digest=text, compiled=compiled, rows=report.row_marks(text) if rows else None
    )
    return {"release": release, "instances": [describe(state(PLAIN), tables=[entry])], **more}


def test_equal_data_tables_are_no_drift_whatever_the_release() -> None:
    assert report.compare({"mx1": with_table("a x\n"), "mx2": with_table("a x\n", release="12")}, {})["errors"] == []


def test_a_data_table_that_differs_is_named_with_its_keys_and_without_its_values() -> None:
    nodes = {"mx1": with_table("a x\nb secret\n"), "mx2": with_table("a x\nb other\nc x\n", release="12"), "mx3": with_table("a x\nb secret\n")}
    assert report.compare(nodes, {})["errors"] == [
        f"postfix-mx: data table {DATA} differs: 2 rows on mx1, mx3; 3 rows on mx2",
        "  mx2 alone has c",
        "  mx2 has another value of b than mx1, mx3",
    ]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        pytest.param(with_table("a y\n", rows=False), ["1 rows on mx1; 1 rows on mx2"], id="more rows than are told"),
        pytest.param(with_table(""), ["1 rows on mx1; no rows on mx2", "  mx2 lacks a"], id="removed"),
        pytest.param({"release": "13", "instances": [describe(state(PLAIN))]}, ["1 rows on mx1; no rows on mx2"], id="not looked up"),
    ],
)
def test_a_data_table_that_a_node_has_otherwise_is_named(other: dict[str, Any], told: list[str]) -> None:
    errors = report.compare({"mx1": with_table("a x\n"), "mx2": other}, {})["errors"]
    assert errors == [f"postfix-mx: data table {DATA} differs: {told[0]}", *told[1:]]


def test_of_many_rows_that_differ_a_few_are_shown() -> None:
    many = "".join(f"user{number:03d} x\n" for number in range(100))
    errors = report.compare({"mx1": with_table(many), "mx2": with_table("z x\n")}, {})["errors"]
    assert (len(errors), errors[-1]) == (22, "  and 81 lines more")


def test_a_table_that_was_not_compiled_after_it_was_edited_is_named() -> None:
    found = report.compare({"mx1": with_table("a x\n", compiled=False)}, {})["errors"]
    assert found == [f"postfix-mx (mx1): the compiled file of {DATA} is older than its source, or missing"]


def test_packages_are_compared_within_a_tier_and_a_release() -> None:
    def has(version: str, release: str = "13") -> dict[str, Any]:
        return {"release": release, "instances": [], "packages": {"haproxy": version, **({"keepalived": "1"} if release == "12" else {})}}

    nodes = {"mx1": has("3.0"), "mx2": has("3.0"), "mx3": has("3.1"), "mx4": has("2.6", "12"), "edge1": has("3.2")}
    tiers = {name: ["edge" if name == "edge1" else "mx"] for name in nodes}
    assert report.compare(nodes, {}, tiers)["errors"] == ["mx on Debian 13: package haproxy differs: 3.0 on mx1, mx2; 3.1 on mx3"]


def test_files_are_the_same_on_all_nodes() -> None:
    nodes = {name: {"release": "13", "instances": [], "files": {"ca.pem": digest}} for name, digest in (("mx1", "a" * 64), ("mx2", "b" * 64), ("mx3", ""))}
    assert report.compare(nodes, {})["errors"] == [f"ca.pem differs: {'a' * 12} on mx1; {'b' * 12} on mx2; none on mx3"]


def test_what_was_done_to_published_files_is_named_by_path_and_node() -> None:
    edits = [
        {"path": "/etc/haproxy/haproxy.cfg", "what": ["content", "owner and mode"], "diff": "-a\n+b\n"},
        {"path": "/etc/clamav/clamd.conf", "what": ["missing"], "diff": ""},
    ]
    published = {"mx2": {"edits": edits}, "mx1": {"edits": edits[:1]}, "mx3": {"edits": []}}
    assert report.compare({}, {}, published=published)["errors"] == [
        "/etc/clamav/clamd.conf (mx2): removed by hand",
        "/etc/haproxy/haproxy.cfg (mx1): edited by hand: content, owner and mode",
        "  -a",
        "  +b",
        "/etc/haproxy/haproxy.cfg (mx2): edited by hand: content, owner and mode",
        "  -a",
        "  +b",
    ]


def test_of_a_file_that_is_another_one_a_few_lines_are_shown() -> None:
    edit = {"path": "/f", "what": ["content"], "diff": "+x\n" * 30}
    assert report.compare({}, {}, published={"mx1": {"edits": [edit]}})["errors"][-1] == "  and 10 lines more"


def test_an_instance_with_the_mail_of_another_node_is_named_by_what_it_holds() -> None:
    found = report.compare({"mx1": {"release": "13", "instances": [describe(state(PLAIN, owner="mailcluster.postfix.evacuate"), queues={"hold": 2})]}}, {})
    assert found["errors"] == ["postfix-mx (mx1): holds 2 evacuated messages; the playbook evacuate removes it once it is empty"]


def test_an_instance_whose_mail_another_node_has_is_named_as_that() -> None:
    told = describe(state(PLAIN, running=False), evacuated=True)
    assert report.compare({"mx1": {"release": "13", "instances": [told]}}, {})["errors"] == [
        "postfix-mx (mx1): its mail was evacuated, and it does not serve until the playbook evacuate returns it"
    ]


def test_marks_tell_values_apart_and_do_not_tell_them() -> None:
    assert report.row_marks("# c\na secret\nb secret\n\n").keys() == {"a", "b"}
    assert report.row_marks("a x\n") != report.row_marks("a y\n")
    assert "secret" not in str(report.row_marks("a secret\n"))


def test_releases_may_differ_and_it_is_shown() -> None:
    older = made(main={"mynetworks": "", "smtpd_forbid_bare_newline": "normalize"}, maxproc="9")
    found = report.compare({"mx1": node(state(PLAIN)), "mx2": node(state(older), release="12")}, {})
    assert found["errors"] == []
    assert [line.split(";")[0] for line in found["differences"]] == [
        "postfix-mx: smtpd_forbid_bare_newline: Debian 12: normalize",
        found["differences"][1].split(";")[0],
    ]
    assert found["differences"][1].startswith("postfix-mx: service 10025/inet: Debian 12: ")


@pytest.mark.parametrize(
    ("wanted", "errors"),
    [
        pytest.param({"mx1": ["postfix-mx"], "mx2": []}, [], id="as wanted"),
        pytest.param({"mx2": ["postfix-mx"]}, ["postfix-mx (mx2): the node lacks the instance"], id="none"),
        pytest.param({"mx1": ["postfix-mx", "postfix-relay"]}, ["postfix-relay (mx1): the node lacks the instance"], id="one of two"),
        pytest.param({"gone": ["postfix-mx"]}, [], id="a node that did not answer"),
    ],
)
def test_an_instance_that_a_node_lacks_is_named(wanted: dict[str, list[str]], errors: list[str]) -> None:
    nodes = {"mx1": node(state(PLAIN)), "mx2": {"release": "13", "instances": []}}
    assert report.compare(nodes, wanted)["errors"] == errors


def test_policy_tables_have_the_type_that_the_configuration_names() -> None:
    built = generation.build(
        main={"smtpd_client_restrictions": "check_client_access cidr:$config_directory/a"},
        local={},
        services=[],
        tables=[generation.Table("a", "cidr", "192.0.2.1 OK\n"), generation.Table("b", "texthash", "x y\n")],
    )
    named = references.of_files(built.files, directory="/etc/postfix-mx", defaults={})
    told = describe(state(built), tables=[report.TableFile(references=named, digest="d", mode=0o644)])
    assert [(entry["name"], entry["type"]) for entry in told["variables"]["tables"]] == [("a", "cidr"), ("b", "texthash")]
    assert told["variables"]["data"] == []


def test_an_instance_is_made_again_of_its_variables() -> None:
    built = made(main={"mynetworks": "", "b": "1"}, local={"b": "2", "myhostname": "mx1.test"})
    told = describe(state(built))["variables"]
    again = generation.build(
        main=told["main"],
        local=told["local"],
        services=[master_cf.service(entry) for entry in told["services"]],
        tables=[generation.Table(entry["name"], entry["type"], entry["content"]) for entry in told["tables"]],
    )
    assert again.name == built.name


def test_what_does_not_run_from_generations_is_not_compared() -> None:
    nodes = {"mx1": {"release": "13", "instances": [describe(state(PLAIN), managed=False)]}, "mx2": node(state(made(maxproc="7")))}
    assert report.compare(nodes, {}) == {"errors": [], "differences": []}


def test_what_others_made_is_not_the_instance_that_a_node_must_have() -> None:
    nodes = {"mx1": {"release": "13", "instances": [describe(state(PLAIN), managed=False)]}}
    assert report.compare(nodes, {"mx1": ["postfix-mx"]})["errors"] == ["postfix-mx (mx1): the node lacks the instance"]
