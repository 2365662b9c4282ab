# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks promise: read from their files, and from a run of check over the inventory that a reader copies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import TIERS

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ROOT / "playbooks"
FILES = sorted(path for path in PLAYBOOKS.rglob("*.yml") if path.parent.name != "vars")
SPEC = yaml.safe_load((ROOT / "roles/cluster/meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["check"]["options"]
SWITCHES = sorted(name for name, attributes in SPEC.items() if attributes["type"] == "bool")


def expressions(data: Any, key: str = "") -> Iterator[str]:
    """Yield every text of a playbook that is an expression or holds one."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from expressions(value, name)
    elif isinstance(data, list):
        for value in data:
            yield from expressions(value, key)
    elif isinstance(data, str) and (key in ("when", "that", "changed_when", "failed_when", "until") or "{{" in data):
        yield data


def tier(name: str) -> dict[str, Any]:
    return yaml.safe_load((PLAYBOOKS / "tiers" / f"{name}.yml").read_text(encoding="utf-8"))[-1]


def value(expression: str, **variables: object) -> object:
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(expression))


def judge(condition: str, **variables: object) -> bool:
    return Templar(loader=DataLoader(), variables=variables).evaluate_conditional(trust_as_template(condition))


@pytest.mark.parametrize("file", FILES, ids=[str(path.relative_to(PLAYBOOKS)) for path in FILES])
def test_a_switch_is_read_as_a_boolean_even_from_the_command_line(file: Path) -> None:
    read = [text for text in expressions(yaml.safe_load(file.read_text(encoding="utf-8"))) for name in SWITCHES if re.search(rf"\b{name}\b", text)]
    # With -e name=true the value is a text, which a condition refuses.
    assert [text for text in read if len(re.findall(r"\b(?:" + "|".join(SWITCHES) + r")\b(?! \| default\(false\) \| bool\b)", text))] == []


def test_the_switches_of_the_playbooks_are_found() -> None:
    assert {"mailcluster_prune", "mailcluster_strict"} <= set(SWITCHES)
    prune = yaml.safe_load((PLAYBOOKS / "tiers/prune.yml").read_text(encoding="utf-8"))
    assert any("mailcluster_prune | default(false) | bool" in text for text in expressions(prune))


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize(("given", "serial"), [pytest.param({}, "100%", id="all"), pytest.param({"mailcluster_serial": "50%"}, "50%", id="half of the tier")])
def test_a_tier_changes_as_many_nodes_at_once_as_was_asked_for(name: str, given: dict[str, object], serial: object) -> None:
    assert value(tier(name)["serial"], **given) == serial


@pytest.mark.parametrize("name", TIERS)
def test_a_tier_playbook_begins_with_the_check(name: str) -> None:
    plays = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))
    assert [play["ansible.builtin.import_playbook"] for play in plays] == ["check.yml", "tiers/base.yml", f"tiers/{name}.yml"]


def of_evacuation(expression: str, **variables: object) -> object:
    """What a variable of the playbook is."""
    own = yaml.safe_load((PLAYBOOKS / "evacuate.yml").read_text(encoding="utf-8"))[0]["vars"]
    return value(expression, **{name: trust_as_template(text) for name, text in own.items()}, **variables)


def test_mail_is_brought_only_where_every_instance_runs() -> None:
    halves, whole = ([{"name": "a", "running": True}, {"name": "b", "running": second}] for second in (False, True))
    results = [{"item": "mx1", "instances": halves}, {"item": "mx2", "unreachable": True}, {"item": "mx3", "failed": True}, {"item": "mx4", "instances": whole}]
    assert of_evacuation("{{ __target }}", evacuate_candidates={"results": results}) == "mx4"
    assert of_evacuation("{{ __serving | length }}", evacuate_candidates={"results": results[:3]}) == 0


@pytest.mark.parametrize(
    ("stages", "handed", "back"),
    [
        pytest.param(["fenced", "fenced"], False, True, id="its own"),
        pytest.param(["", "fenced"], False, True, id="one was never taken"),
        pytest.param(["handed over", "handed over"], True, False, id="the other node's"),
        pytest.param(["", "handed over"], True, False, id="one is the other node's, one was never taken"),
        pytest.param(["handed over", "fenced"], False, False, id="killed between the two"),
        pytest.param(["", ""], False, True, id="none was taken"),
    ],
)
def test_a_node_takes_back_what_no_other_has(stages: list[str], handed: bool, back: bool) -> None:
    before = {"evacuations": [{"stage": stage} for stage in stages]}
    assert of_evacuation("{{ [__handed, __back] }}", evacuate_before=before, evacuate_return=True) == [handed, back]


def play(name: str, inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", f"mailcluster.postfix.{name}", "-i", inventory, *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": ".config/ansible.cfg", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return play("check", inventory, *arguments)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory that a reader copies, with its secrets set."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    folder = tmp_path_factory.mktemp("example") / "mail"
    shutil.copytree(ROOT / "inventories/two_regions", folder)
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.yml"))
    keys = {"rsa": rsa.generate_private_key(65537, 2048), "ed25519": ed25519.Ed25519PrivateKey.generate()}
    pem = {name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for name, key in keys.items()}
    secrets = {name: pem.get(name.rpartition("_")[2], "a-secret-of-the-test-1") for name in re.findall(r"\{\{ (vault_\w+) \}\}", text)}
    (folder / "group_vars/all/vault.yml").write_text(yaml.safe_dump(secrets), encoding="utf-8")
    return folder


def test_the_example_passes_once_its_secrets_are_set(example: Path) -> None:
    done = check(example / "hosts.yml")
    assert (done.returncode, "DKIM" in done.stdout, "Unable to parse" in done.stderr) == (0, False, False), done.stdout


def test_the_folder_of_the_example_is_refused_as_an_inventory_without_a_hash(example: Path) -> None:
    done = check(example, "--limit", "west-filter1")
    assert done.returncode != 0
    assert "inventory (site): 2 of its hosts look like lines of accounts" in done.stdout + done.stderr
    assert "{CRYPT}" not in done.stdout


def test_a_domain_without_a_key_is_told(example: Path) -> None:
    done = check(example / "hosts.yml", "--limit", "west-filter1", "-e", '{"mailcluster_domains": ["example.org", "example.net", "Example.com"]}')
    assert "no key for example.com: mail from there goes out without a DKIM signature" in done.stdout
    assert done.returncode == 0


def rollout() -> list[dict[str, Any]]:
    return yaml.safe_load((PLAYBOOKS / "rollout.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("groups", "serial"),
    [
        pytest.param({"rollout_batch_0001": ["c", "d"], "rollout_batch_0000": ["a"], "mx": ["a", "c", "d"]}, [1, 2], id="as the plan has them"),
        pytest.param({"mx": ["a"]}, [1], id="no batch is left"),
    ],
)
def test_a_roll_changes_batch_by_batch(groups: dict[str, list[str]], serial: list[int]) -> None:
    play = next(play for play in rollout() if play["name"] == "Change node by node")
    assert value(play["serial"], groups=groups, ansible_check_mode=False) == serial
    assert value(play["serial"], groups=groups, ansible_check_mode=True) == ["100%"]


def test_a_roll_and_the_site_run_the_same_tasks() -> None:
    roll = yaml.safe_load((PLAYBOOKS / "tasks/roll.yml").read_text(encoding="utf-8"))
    [block] = [task["block"] for task in roll if "block" in task]
    shared = {task.get("ansible.builtin.import_tasks", task.get("ansible.builtin.include_tasks")) for task in block}
    site = {
        task["ansible.builtin.import_tasks"].removeprefix("../tasks/")
        for name in ("base", *TIERS)
        for play in yaml.safe_load((PLAYBOOKS / "tiers" / f"{name}.yml").read_text(encoding="utf-8"))
        for task in play["tasks"]
        if "ansible.builtin.import_tasks" in task
    }
    # What a node runs is learnt once, before the first changes.
    assert {name.replace("{{ tier }}", tier) for name in shared if name for tier in TIERS} >= site - {"release.yml"}


def test_the_records_of_the_example_are_shown_while_nobody_is_told(example: Path) -> None:
    done = play("dns", example / "hosts.yml", "-e", "mailcluster_dns_withdrawn=west")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ["example.net. 60 IN MX 10 mail.east.example.org." in done.stdout, "MX 10 mail.west" in done.stdout] == [True, False]
    assert ("rsa._domainkey.example.org. 3600 IN TXT" in done.stdout, "PRIVATE" in done.stdout) == (True, False)


def test_the_records_of_the_example_are_written_for_their_provider(example: Path, tmp_path: Path) -> None:
    runs = [play("dns", example / "hosts.yml", "-e", f"mailcluster_dns_directory={tmp_path}", *more) for more in (["--check"], [], [])]
    assert [re.findall(r"changed=1", done.stdout) != [] for done in runs] == [True, True, False], runs[0].stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["example.net.zone", "example.org.zone"]


@pytest.mark.parametrize(
    "given",
    [[], ["drill_region=west", "drill_state=out"]],
    ids=["of nothing", "that DNS would not show"],
)
def test_a_drill_is_refused_before_any_node_is_asked(example: Path, given: list[str]) -> None:
    done = play("drill", example / "hosts.yml", *(word for fact in given for word in ("-e", fact)))
    assert done.returncode != 0
    assert "say drill_state (out or in) and drill_region (east or west)" in done.stdout + done.stderr
    assert "Ask the balancer" not in done.stdout
