"""The live view of `eventos up`: tables on a terminal, a line now and then elsewhere."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.operator.activity import Activity
from services.operator.output import as_table
from services.operator.processes import Child

_PRIORITIES = {"hot": "bold red", "warm": "yellow", "nurture": "cyan", "cold": "dim"}


def as_line(activity: Activity, children: Sequence[Child]) -> str:
    """All that matters in one line of text."""
    now, flows = activity.standing, activity.flows
    running = sum(child.running for child in children)
    consumed = sum(flow.applied + flow.duplicate + flow.dead_lettered for flow in flows)
    return (
        f"{datetime.now().astimezone():%H:%M:%S} {running}/{len(children)} processes · "
        f"consumed {consumed:,} ({activity.rate:,.0f}/s), lag {now.lag:,} · "
        f"applied {sum(flow.applied for flow in flows):,}, duplicate {sum(flow.duplicate for flow in flows):,}, "
        f"refused {sum(flow.dead_lettered for flow in flows):,} · stale marks {now.marks_pending:,}, "
        f"outbox {now.outbox_pending:,}, parked {now.parked_keys:,}"
    )


def as_tables(activity: Activity, children: Sequence[Child], footer: str) -> RenderableType:
    """The whole view."""
    parts: list[RenderableType] = [_services(activity, children), _scores(activity), _dashboards(activity)]
    if activity.letters:
        rows = ((row["id"], row["topic"], row["reason"], row["detail"]) for row in activity.letters)
        parts.append(as_table(("#id", "topic", "reason", "detail"), rows, title="Refused last"))
    stopped = [p for p in activity.standing.partitions if p.stopped_reason]
    if activity.standing.parked_keys:
        parts.append(Text(f"{activity.standing.parked_keys} keys are parked: `eventos status`", style="bold red"))
    parts += [
        Text(f"{p.service} stopped {p.topic} {p.partition}: {p.stopped_reason}", style="bold red") for p in stopped
    ]
    parts.append(Text(footer, style="dim"))
    return Group(*(part for item in parts for part in (item, Text())))


def _services(activity: Activity, children: Sequence[Child]) -> Table:
    now, flows = activity.standing, {flow.service: flow for flow in activity.flows}
    waiting = {
        "sponsor_activity": f"{now.marks.get('proposal_views', 0):,} proposals",
        "email_engagement": f"{now.marks.get('email_subjects', 0):,} subjects of e-mails",
        "lead_scoring": f"{now.marks.get('lead_scores', 0):,} leads",
        "event_dashboards": f"{now.marks.get('dashboards', 0):,} dashboards",
        "outbox_relay": f"{now.outbox_pending:,} derived events",
    }
    rows = []
    for service in dict.fromkeys(child.service for child in children):
        flow = flows.get(service)
        figures = (
            (
                f"{flow.rate:,.0f}",
                f"{flow.lag:,}",
                f"{flow.applied:,}",
                f"{flow.duplicate:,}",
                f"{flow.dead_lettered:,}",
            )
            if flow
            else ("", "", "", "", "")
        )
        rows.append((service, _processes(service, children), *figures, waiting.get(service, "")))
    columns = (
        "service",
        "processes",
        "#records/s",
        "#lag",
        "#applied",
        "#duplicate",
        "#refused",
        "to bring up to date",
    )
    return as_table(columns, rows)


def _processes(service: str, children: Sequence[Child]) -> str:
    own = [child for child in children if child.service == service]
    running = sum(child.running for child in own)
    restarts = sum(len(child.exits) for child in own)
    return f"{running} of {len(own)}" + (f", {restarts} restarts" if restarts else "")


def _scores(activity: Activity) -> Table:
    table = as_table(("sponsor", "event", "#score", "#was", "priority"), (), title="Leads scored last")
    for row in activity.scores:
        was = activity.moved.get((row["sponsor"], row["event"]))
        style = _PRIORITIES.get(row["priority"], "")
        table.add_row(
            Text(row["sponsor"]),
            Text(row["event"]),
            Text(str(row["score"]), style=style),
            Text("" if was is None else str(was)),
            Text(row["priority"], style=style),
        )
    return table


def _dashboards(activity: Activity) -> Table:
    rows = (
        (
            row["event"],
            f"{row['total_views']:,}",
            f"{row['total_tickets_sold']:,}" + (f" of {row['capacity']:,}" if row["capacity"] else ""),
            f"{row['total_revenue']:,} {row['currency']}",
            f"{row['conversion_rate'] * 100:.2f}%",
        )
        for row in activity.dashboards
    )
    columns = ("event", "#views", "#tickets", "#revenue", "#conversion")
    return as_table(columns, rows, title="Dashboards that changed last")
