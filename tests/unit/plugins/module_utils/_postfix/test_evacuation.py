# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import evacuation
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.evacuation import Evacuation, Source
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

ID = "0" * 32
FENCED = Evacuation(id=ID, node="mx2", instance="postfix-mx", to="mx1")
HANDED = Evacuation(id=ID, node="mx2", instance="postfix-mx", to="mx1", stage=evacuation.HANDED_OVER)


def source(**more: Any) -> Source:
    return Source(**{"instance": "postfix-mx", **more})


def fence(found: Source, to: str = "mx1") -> evacuation.SourcePlan:
    return evacuation.fence(found, node="mx2", to=to, name=ID)


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        pytest.param(
            source(running=True, present={"deferred": 3, "hold": 1}),
            ["reserve the queue for mx1", "stop the instance", "mask its unit", "move 4 messages out of its reach"],
            id="a living one",
        ),
        pytest.param(
            source(masked=None, present={"deferred": 1}), ["reserve the queue for mx1", "move 1 message out of its reach"], id="a disk without systemd"
        ),
        pytest.param(
            source(marker=FENCED, running=True, present={"hold": 0}), ["stop the instance", "mask its unit", "move 0 messages out of its reach"], id="killed"
        ),
        pytest.param(source(marker=FENCED, masked=True, present={"hold": 2}, aside={"deferred": 3}), ["move 5 messages out of its reach"], id="killed between"),
        pytest.param(source(marker=FENCED, masked=True, aside={"deferred": 3}), [], id="fenced"),
        pytest.param(source(marker=HANDED, masked=True, aside={"deferred": 3}), [], id="handed over"),
    ],
)
def test_fencing_a_queue_does_what_is_left_to_do(found: Source, steps: list[str]) -> None:
    assert list(fence(found).steps) == [f"postfix-mx: {step}" for step in steps]


@pytest.mark.parametrize(
    ("found", "to", "reason"),
    [
        pytest.param(source(marker=FENCED, aside={"hold": 1}), "mx3", "goes to mx1; into mx3 too, it would be delivered twice", id="a second node"),
        pytest.param(source(marker=HANDED, present={"deferred": 2}, aside={"hold": 1}), "mx1", "it has 2 new messages", id="mail since it was handed over"),
        pytest.param(source(marker=FENCED, present={"hold": 1}, aside={"hold": 1}), "mx1", "it has 1 new messages", id="mail since it was moved"),
        pytest.param(source(marker=HANDED, running=True), "mx1", "it runs again", id="started in spite of it"),
        pytest.param(source(), "mx1", "there is no queue", id="no such instance"),
    ],
)
def test_what_would_deliver_a_message_twice_is_refused(found: Source, to: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        fence(found, to)


def test_a_queue_is_handed_over_once_and_only_if_it_was_fenced() -> None:
    assert evacuation.hand_over(source(marker=FENCED)).mark == replace(HANDED, packed=0)
    assert evacuation.hand_over(source(marker=replace(FENCED, packed=3), aside={"hold": 3})).mark == replace(HANDED, packed=3)
    assert not evacuation.hand_over(source(marker=HANDED)).changed
    with pytest.raises(ConfigError, match="is not being evacuated"):
        evacuation.hand_over(source())


def test_a_node_gets_its_queue_back_only_if_no_other_has_it() -> None:
    assert evacuation.give_back(source(marker=FENCED, masked=True, aside={"hold": 1})).put_back == ("hold",)
    given = evacuation.give_back(source(marker=HANDED, masked=True, aside={"hold": 1}))
    assert (given.put_back, given.discard, given.unmask) == ((), True, True)
    assert not evacuation.give_back(source(present={"hold": 0})).changed


@pytest.mark.parametrize(
    ("path", "queue"),
    [
        pytest.param("deferred/A/4bFz7Q2kXNz9wJ", "deferred", id="long name, hashed"),
        pytest.param("hold/0A1B2C3D4E", "hold", id="short name"),
        pytest.param("defer/4/4bFz7Q2kXNz9wJ", "defer", id="log"),
    ],
)
def test_a_file_of_a_queue_is_known_by_its_path(path: str, queue: str) -> None:
    assert evacuation.queue_of(path) == queue


@pytest.mark.parametrize(
    "path", ["../etc/passwd", "hold/../../etc/passwd", "/hold/4bFz7Q2kXN", "corrupt/4bFz7Q2kXN", "hold/a b", "hold/4bFz7Q2kXN\n", "public/qmgr"]
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="is no file of a queue"):
        evacuation.queue_of(path)


@pytest.mark.parametrize(("node", "name"), [("east-mx2", "east-mx2"), ("MX2.Example.org", "mx2-example-org"), ("_a_", "a")])
def test_the_instance_that_delivers_is_named_by_instance_and_node(node: str, name: str) -> None:
    assert evacuation.temporary("postfix-mx", node) == f"postfix-mx-evacuated-{name}"
    assert evacuation.model(evacuation.temporary("postfix-mx", node)) == "postfix-mx"


def test_what_is_written_beside_a_queue_is_read_again() -> None:
    assert evacuation.parse(evacuation.render(HANDED), file="f") == HANDED
    assert evacuation.parse(None, file="f") is None
    assert evacuation.from_manifest(evacuation.manifest([(FENCED, 7)])) == [(FENCED, 7)]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"id": 1}', evacuation.render(FENCED).replace("fenced", "lost"), evacuation.render(FENCED).replace(ID, "x")]
)
def test_what_cannot_be_read_is_refused_rather_than_delivered(text: str) -> None:
    with pytest.raises(ConfigError, match="does not tell of an evacuation"):
        evacuation.parse(text, file="f")


def test_a_queue_is_received_once_and_never_into_another_one() -> None:
    other = Evacuation(id="1" * 32, node="mx2", instance="postfix-mx", to="mx1")
    assert evacuation.to_receive(FENCED, None, exists=False, delivered=False)
    assert evacuation.to_receive(FENCED, FENCED, exists=True, delivered=False)
    assert not evacuation.to_receive(FENCED, HANDED, exists=True, delivered=True)
    with pytest.raises(ConfigError, match="an earlier evacuation brought: let it empty first, or choose another node"):
        evacuation.to_receive(FENCED, other, exists=True, delivered=True)
    with pytest.raises(ConfigError, match="and nothing delivers it: remove it if mx2 took its mail back, or choose another node"):
        evacuation.to_receive(FENCED, other, exists=True, delivered=False)
    with pytest.raises(ConfigError, match="was not received"):
        evacuation.to_receive(FENCED, None, exists=True, delivered=False)
