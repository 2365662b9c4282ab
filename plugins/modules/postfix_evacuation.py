#!/usr/bin/python
# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glue of the module: queues on one side, the pure plan on the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix_evacuation
author: mailcluster contributors (@mailcluster)
version_added: 1.0.0
short_description: Take the queues of a node to another node, each message once
description:
  - Each O(state) is a step of the playbook C(mailcluster.postfix.evacuate), in which they are made in order, some on the node whose queues
    are taken or on the host that has its disk, some on the node that takes them.
  - A queue has one owner at any time. It is moved out of the reach of its own Postfix before it is copied, and the copy may be
    delivered only after RV(ignore:stage=handed over) has been written down beside the queue. Whatever is killed in between, run it again.
  - What is written down names the one node that takes the queue. Another one is refused.
  - Messages that Postfix has not accepted yet, and those in C(corrupt), stay where they are.
options:
  state:
    description:
      - V(packed) stops and masks the instances, moves their queues to C(evacuated) in the queue directory and packs them into O(archive).
        A delivery that is under way is waited for.
      - V(received) unpacks O(archive) on the other node, where each becomes the queue of the instance
        C(<instance>-evacuated-<node>), which the module M(mailcluster.postfix.postfix_instance) then runs. Without O(archive), it
        tells what is there.
      - V(handed_over) writes down, on the first node, that the other one has it all. It refuses if a C(sendmail) has finished a message
        since it was packed.
      - V(delivered) has the other node try all of it, and waits until nothing is left but held messages.
      - V(discarded) has the other node remove O(queues) that it received, before a node takes back what was not handed over.
      - V(returned) unmasks the instances, with their queues if those were not handed over, else with empty ones. It refuses to remove a
        message that a C(sendmail) has finished since it was handed over.
    type: str
    choices: [packed, received, handed_over, delivered, discarded, returned]
    required: true
  node:
    description: The node whose queues are taken.
    type: str
    required: true
  instances:
    description: Its instances; with O(state=delivered), the instances of this node that deliver them.
    type: list
    elements: str
    default: []
  queues:
    description:
      - The RV(evacuations[].id) of each instance, as V(packed) returned it.
      - V(received) refuses when what another evacuation brought is in the place of one of them.
      - V(received) and V(delivered) tell of no others, and V(discarded) removes no others.
    type: dict
  to:
    description: The node that takes them. Without it, O(state=packed) works in check mode only.
    type: str
    default: ""
  root:
    description:
      - Where the file system of the node is mounted. Unless it is V(/), that node must be off - nothing is stopped, and what is
        written down there fences it when it boots.
      - It must be the disk itself. From a copy of it, the node would know nothing of the evacuation.
    type: path
    default: /
  archive:
    description: >-
      File that V(packed) writes, on the host where it runs, and V(received) reads and removes. V(handed_over), V(discarded) and
      V(returned) remove it, too.
    type: path
  timeout:
    description: Seconds to wait, for deliveries that are under way, or for all of them.
    type: float
    default: 60
attributes:
  check_mode:
    support: full
    description: Says what would be done; an archive that is not there yet cannot be looked into.
  diff_mode:
    support: full
    description: Shows the number of messages by queue, and where they are.
  platform:
    platforms: debian
    support: full
    description: Debian 12 and 13; O(root) on any Linux.
seealso:
  - module: mailcluster.postfix.postfix_instance
  - module: mailcluster.postfix.postqueue
"""

EXAMPLES = r"""
- name: Fence the Postfix of a node and pack its queue
  mailcluster.postfix.postfix_evacuation:
    state: packed
    node: mx2
    instances: [postfix-mx]
    to: mx1
    archive: /var/spool/mx2.tar

- name: The same from its disk, in another machine
  mailcluster.postfix.postfix_evacuation:
    state: packed
    node: mx2
    instances: [postfix-mx]
    to: mx1
    root: /mnt
    archive: /var/spool/mx2.tar
  delegate_to: rescue

- name: See what other nodes' queues a node holds
  mailcluster.postfix.postfix_evacuation:
    state: received
    node: mx2
"""

RETURN = r"""
evacuations:
  description: Each queue, and what is written down of it.
  returned: always
  type: list
  elements: dict
  contains:
    instance:
      description: The instance whose queue it was.
      type: str
      sample: postfix-mx
    id:
      description: The evacuation of this instance, empty while nothing is written down.
      type: str
      sample: 0f8b3c1d9e7a4b62a5c4d3e2f1a0b9c8
    model:
      description: The instance of the other node that it is to be delivered like.
      type: str
      sample: postfix-mx
    temporary:
      description: The instance that delivers it there.
      type: str
      sample: postfix-mx-evacuated-east-mx2
    to:
      description: The node that takes it, empty while none is written down.
      type: str
    stage:
      description: V(fenced), V(handed over), or empty while nothing is written down.
      type: str
    messages:
      description: Number of messages in each queue.
      type: dict
      sample: {maildrop: 0, incoming: 0, active: 0, deferred: 3, hold: 1}
    waiting:
      description: The same for people, empty without a message.
      type: str
      sample: 3 in deferred, 1 in hold
steps:
  description: What was done, in order (in check mode, what would be).
  returned: always
  type: list
  elements: str
archive:
  description: Whether O(archive) was written and has to be taken to the other node.
  returned: when O(state=packed)
  type: bool
"""

import uuid
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _evacuation, _files
from ..module_utils._postfix import evacuation
from ..module_utils._postfix.evacuation import HANDED_OVER, Evacuation, Source, SourcePlan
from ..module_utils._postfix.instance import Paths
from ..module_utils._postfix.lines import ConfigError

LOCK = Path("/run/mailcluster/.evacuation.lock")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["packed", "received", "handed_over", "delivered", "discarded", "returned"], "required": True},
    "node": {"type": "str", "required": True},
    "instances": {"type": "list", "elements": "str", "default": []},
    "queues": {"type": "dict"},
    "to": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
    "archive": {"type": "path"},
    "timeout": {"type": "float", "default": 60},
}


def _plan(module: AnsibleModule, source: Source) -> SourcePlan:
    if module.params["state"] == "handed_over":
        return evacuation.hand_over(source)
    if module.params["state"] == "returned":
        return evacuation.give_back(source)
    return evacuation.fence(source, node=module.params["node"], to=module.params["to"], name=uuid.uuid4().hex)


def leave(module: AnsibleModule) -> dict[str, Any]:
    """What happens on the node that loses its queues, or to its disk. Raises ConfigError."""
    packing = module.params["state"] == "packed"
    archive = Path(module.params["archive"]) if module.params["archive"] else None
    if packing and not module.check_mode and not (module.params["to"] and archive):
        raise ConfigError("needs the node that takes the queues, and a file to pack them into", subject="to, archive")
    places = [Paths(name, Path(module.params["root"])) for name in module.params["instances"]]
    sources = [_evacuation.read(paths) for paths in places]
    plans = [_plan(module, source) for source in sources]
    steps = [step for plan in plans for step in plan.steps]
    after = sources
    if not module.check_mode:
        for paths, plan in zip(places, plans, strict=True):
            _evacuation.apply(paths, plan, grace=module.params["timeout"])
        # Mail came and went until the instance was stopped.
        after = [_evacuation.read(paths) for paths in places]
    markers = [source.marker if plan.discard or not plan.mark else plan.mark for plan, source in zip(plans, after, strict=True)]
    # An empty queue is fenced like another one, and has nothing to be taken anywhere.
    taken = [entry for entry, source in zip(markers, after, strict=True) if entry and entry.stage != HANDED_OVER and sum(source.messages.values())]
    if packing and any(source.masked is None for source in sources):
        module.warn(f"{module.params['root']} has no /etc/systemd/system: the node may start a Postfix, on the empty queue that is left")
    if packing and taken:
        steps.append(f"pack {', '.join(entry.instance for entry in taken)}")
    if packing and taken and archive and not module.check_mode:
        _evacuation.pack(Path(module.params["root"]), taken, archive)
    if not packing and archive and not module.check_mode:
        archive.unlink(missing_ok=True)
    told = [_told(source.instance, entry, source.messages, module.params["node"]) for source, entry in zip(after, markers, strict=True)]
    return {"changed": bool(steps), "steps": steps, "evacuations": told, "diff": _diff(sources, plans), **({"archive": bool(taken)} if packing else {})}


def _told(instance: str, entry: Evacuation | None, messages: dict[str, int], node: str) -> dict[str, Any]:
    return {
        "instance": instance,
        "id": entry.id if entry else "",
        "model": evacuation.model(instance),
        "temporary": evacuation.temporary(instance, node),
        "to": entry.to if entry else "",
        "stage": entry.stage if entry else "",
        "messages": messages,
        "waiting": ", ".join(f"{count} in {queue}" for queue, count in messages.items() if count),
    }


def _diff(sources: list[Source], plans: list[SourcePlan]) -> dict[str, str]:
    def lines(place: str, counts: dict[str, int], name: str) -> str:
        return "".join(f"{name}: {place}{queue}: {count}\n" for queue, count in counts.items() if count)

    before = after = ""
    for source, plan in zip(sources, plans, strict=True):
        here, aside = ({queue: found.get(queue, 0) for queue in evacuation.MESSAGES} for found in (source.present, source.aside))
        before += lines("", here, source.instance) + lines("evacuated/", aside, source.instance)
        if plan.move:
            here, aside = dict.fromkeys(here, 0), source.messages
        elif plan.discard:
            here, aside = source.messages if plan.put_back else here, dict.fromkeys(aside, 0)
        after += lines("", here, source.instance) + lines("evacuated/", aside, source.instance)
    return {"before": before, "after": after}


def arrive(module: AnsibleModule) -> dict[str, Any]:
    """What happens on the node that takes them. Raises ConfigError."""
    steps: list[str] = []
    archive = Path(module.params["archive"]) if module.params["archive"] else None
    node, queues = module.params["node"], module.params["queues"]
    if module.params["state"] == "received" and queues:
        _evacuation.lacking([Evacuation(id=name, node=node, instance=instance, to="") for instance, name in queues.items()])
    if module.params["state"] == "delivered":
        steps = [f"deliver {name}" for name in module.params["instances"]]
        if not module.check_mode:
            _evacuation.deliver(module.params["instances"], module.params["timeout"])
    elif module.params["state"] == "discarded":
        with _files.locked(LOCK):
            unclaimed = _evacuation.unclaimed(node, set((queues or {}).values()))
            steps = [f"remove {entry.temporary}" for entry in unclaimed]
            if not module.check_mode:
                _evacuation.forget(unclaimed)
                if archive:
                    archive.unlink(missing_ok=True)
    elif archive and (archive.exists() or not module.check_mode):
        with _files.locked(LOCK):
            lacking = _evacuation.lacking([entry for entry, _count in _evacuation.contents(archive)])
            steps = [f"receive {entry.temporary}" for entry in lacking]
            if not module.check_mode:
                _evacuation.unpack(archive, lacking)
                archive.unlink()
    elif archive:
        steps = [f"receive what {archive} will hold"]
    found = _evacuation.arrived(node, ids=queues if queues is None else set(queues.values()))
    told = [_told(entry.evacuation.instance, entry.evacuation, dict(entry.queues), entry.evacuation.node) for entry in found]
    return {"changed": bool(steps), "steps": steps, "evacuations": told}


def main() -> None:
    """Plan, act, answer."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = (arrive if module.params["state"] in ("received", "delivered", "discarded") else leave)(module)
    except ConfigError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=_files.told(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
