"""What the account has beside machines: SSH keys, tags, projects and alerts."""

from __future__ import annotations

import struct

from .resource import Resource
from .schema import LIST, STRINGS, State, block, computed, kept, optional, required


class SshKey(Resource):
    name, title = "ssh_key", "SSH Key"
    path, one = "account/keys", "ssh_key"
    fields = {
        "name": required(),
        "public_key": required(force_new=True, same=lambda old, new: old.strip() == new.strip()),
    }


class Tag(Resource):
    name, title = "tag", "tag"
    path, one = "tags", "tag"
    key = "name"
    fields = {"name": required(force_new=True)}


class _Holder(Resource):
    """What puts resources into a project."""

    item = "projects/{id}"

    def move(self, current: State, planned: State) -> None:
        """Make what a project holds what is planned; the rest goes to the default project."""
        old, new = set(current["resources"] or []), set(planned["resources"] or [])
        default = self.client.get("projects/default")["project"]["id"] if old - new else ""
        for project, urns in ((default, old - new), (current["id"], new - old)):
            if urns:
                body = {"resources": sorted(urns)}
                self.client.request("POST", f"projects/{project}/resources", body)

    def found(self, state: State, answer: State) -> State:
        path = f"{self.at(state)}/resources?per_page=200"
        held = [resource["urn"] for resource in self.client.get(path)["resources"]]
        return super().found(state, answer) | {"resources": held}


class Project(_Holder):
    name, title = "project", "Project"
    path, one = "projects", "project"
    update_method = "PATCH"
    fields = {
        "name": required(),
        "description": optional(default=""),
        "purpose": optional(
            default="Web Application", from_api=lambda purpose: purpose.removeprefix("Other: ")
        ),
        "environment": optional(same=lambda old, new: old.lower() == new.lower()),
        "resources": kept(STRINGS, computed=True),
    }

    def create(self, planned: State) -> State:
        made = super().create(planned)
        self.move({"id": made["id"], "resources": None}, planned)
        return self.read(made)

    def update(self, current: State, planned: State) -> State:
        self.move(current, planned)
        return super().update(current, planned)

    def delete(self, state: State) -> None:
        self.move(state, {"resources": []})
        super().delete(state)


class ProjectResources(_Holder):
    name, title = "project_resources", "project resources"
    imported = ()
    fields = {
        "project": required(api="", read="", force_new=True),
        "resources": required(STRINGS, api="", read=""),
    }

    def create(self, planned: State) -> State:
        self.client.get(f"projects/{planned['project']}")
        planned["id"] = planned["project"]
        return self.update(planned | {"resources": None}, planned)

    def found(self, state: State, answer: State) -> State:
        found = super().found(state, answer)
        # Of what the project holds only that which was asked for: the rest is not its business.
        asked = [urn for urn in state["resources"] or [] if urn in found["resources"]]
        return found | {"resources": asked}

    def update(self, current: State, planned: State) -> State:
        self.move(current, planned)
        return self.read(planned)

    def delete(self, state: State) -> None:
        self.move(state, {"resources": []})


def _float32(value: float) -> float:
    """The number as the real provider keeps it: 90.1 comes back as another one."""
    (kept,) = struct.unpack("f", struct.pack("f", value))
    return float(kept)


_SLACK = {"channel": required(), "url": required()}
_RECEIVERS = {"email": optional(LIST), "slack": block(_SLACK, ordered=True, unset=None)}


class MonitorAlert(Resource):
    name, title = "monitor_alert", "Alert Policy"
    path, one = "monitoring/alerts", "policy"
    key = "uuid"
    fields = {
        "type": required(),
        "description": required(),
        "compare": required(),
        "value": required("number", from_api=_float32),
        "window": required(),
        "enabled": optional("bool", default=True, unset=False),
        "entities": optional(STRINGS, unset=[]),
        "tags": optional(STRINGS, unset=[]),
        # The real one declares it and never sets it.
        "uuid": computed(read="none"),
        "alerts": block(_RECEIVERS, ordered=True, single=True),
    }


class UptimeCheck(Resource):
    name, title = "uptime_check", "Check"
    path, one = "uptime/checks", "check"
    fields = {
        "name": required(),
        "target": required(),
        "type": optional(default="https"),
        "regions": optional(STRINGS, unset=None),
        "enabled": optional("bool", default=True, unset=False),
    }


class UptimeAlert(Resource):
    name, title = "uptime_alert", "Alert"
    path, one = "uptime/checks/{check_id}/alerts", "alert"
    imported = ("check_id", "id")
    fields = {
        "check_id": required(api="", read=""),
        "name": required(),
        "type": required(),
        # What is not set is sent, too.
        "threshold": optional("number", unset=0),
        "comparison": optional(unset=""),
        "period": optional(unset=""),
        "notifications": block(_RECEIVERS, ordered=True, single=True),
    }
