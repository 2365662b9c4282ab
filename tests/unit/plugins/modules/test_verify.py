# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from ansible_collections.mailcluster.postfix.plugins.filter.verify import FilterModule
from ansible_collections.mailcluster.postfix.plugins.module_utils import _info
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.modules import file_set_info, mail_probe, open_ports, postfix_info


@pytest.mark.parametrize("module", [file_set_info, mail_probe, open_ports, postfix_info])
def test_examples_are_yaml(module: object) -> None:
    assert yaml.safe_load(module.EXAMPLES)  # type: ignore[attr-defined]


def documented(options: dict) -> dict:
    return {name: documented(option.get("suboptions", {})) for name, option in options.items()}


def accepted(arguments: dict) -> dict:
    return {name: accepted(argument.get("options", {})) for name, argument in arguments.items()}


def test_every_option_of_mail_probe_is_documented() -> None:
    assert documented(yaml.safe_load(mail_probe.DOCUMENTATION)["options"]) == accepted(mail_probe.ARGUMENTS)


def test_password_is_hidden() -> None:
    assert mail_probe.ARGUMENTS["password"]["no_log"] is True


def test_release_is_read_from_os_release(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('NAME="Debian GNU/Linux"\nVERSION_ID="12"\n')
    assert _info.release(tmp_path) == "12"


@pytest.mark.parametrize(("names", "told"), [([], ["postfix-mx"]), (["postfix", "postfix-mx"], None)])
def test_only_an_instance_that_was_asked_for_must_be_readable(monkeypatch: pytest.MonkeyPatch, names: list[str], told: list[str] | None) -> None:
    def read(name: str, **_options: object) -> dict[str, str]:
        if name == "postfix":
            raise ConfigError("a field too few", file="master.cf", line=7)
        return {"name": name}

    module = MagicMock(params={"names": names, "defaults": False, "content": False, "rows": 0, "packages": [], "files": []})
    module.fail_json.side_effect = SystemExit
    monkeypatch.setattr(postfix_info, "AnsibleModule", lambda **_options: module)
    monkeypatch.setattr(_info, "node_defaults", dict)
    monkeypatch.setattr(_info, "found", lambda: ["postfix", "postfix-mx"])
    monkeypatch.setattr(_info, "instance", read)
    if told is None:
        with pytest.raises(SystemExit):
            postfix_info.main()
        module.fail_json.assert_called_once_with(msg="postfix: master.cf, line 7: a field too few")
    else:
        postfix_info.main()
        module.warn.assert_called_once_with("postfix: master.cf, line 7: a field too few")
        assert [entry["name"] for entry in module.exit_json.call_args.kwargs["instances"]] == told


def test_nodes_without_a_result_are_left_out() -> None:
    report = FilterModule().filters()["postfix_report"]
    assert report({"mx1": {"unreachable": True}}) == {"errors": [], "differences": []}
