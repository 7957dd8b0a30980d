# SPDX-License-Identifier: MIT
"""table.py – the matrix as text, one line per cell."""

from collections import Counter

COLUMNS = (("fault", 34), ("phase", 16), ("kept", 13), ("gap ms", 15),
           ("lost", 9), ("greeted", 8), ("next turn ms", 16), ("", 0))


def _is_over(value, target):
    return value is not None and target is not None and value > target


def _against(value, target):
    """A measure beside what the project wants of it."""
    if value is None:
        return "-"
    shown = f"{value:.0f}"
    return shown if target is None else f"{shown} (<={target:.0f})" + (
        " !" if _is_over(value, target) else " ")


def _line(values):
    return "".join(text.ljust(width) for text, (_, width) in
                   zip(values, COLUMNS)).rstrip()


def _row(outcome, fault, phase):
    later = outcome["later_ms"]
    return _line((
        fault, phase, outcome["kept"],
        _against(outcome["gap_ms"], outcome["gap_target"]),
        _against(outcome["lost"], outcome["lost_target"]),
        "-" if outcome["greeted"] is None else str(outcome["greeted"]),
        "-" if later is None else
        ("+" if later > 0 else "") + _against(later, outcome["later_target"]),
        "; ".join([outcome["verdict"], *outcome["notes"]]).strip("; ")))


def render(outcomes, faults, phases, excused):
    """OUTCOMES: {(fault, phase): dict of an Outcome}, EXCUSED: {(fault,
    phase): why}; both in the order of the matrix."""
    lines = [_line([name for name, _ in COLUMNS])]
    for fault in faults:
        for phase in phases:
            key = fault.name, phase.name
            if key in outcomes:
                lines.append(_row(outcomes[key], fault.title, phase.title))
            elif key in excused:
                lines.append(_line((fault.title, phase.title, "not run: " +
                                    excused[key])))
    kept = [o["kept"] for o in outcomes.values()]
    over = sum(_is_over(o[name], o[target]) for o in outcomes.values()
               for name, target in (("gap_ms", "gap_target"),
                                    ("lost", "lost_target"),
                                    ("later_ms", "later_target")))
    lines += ["", f"{len(outcomes)} cells: " + ", ".join(
        f"{name} {count}" for name, count in Counter(kept).most_common()) +
        f". In brackets: what is wanted; {over} measures are over it (!). "
        "Next turn: against the same without the fault."]
    return "\n".join(lines)
