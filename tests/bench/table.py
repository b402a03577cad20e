"""The table: rows of figures, ratios, targets, and whether they are met."""

from dataclasses import dataclass, field

PROGRAMS = ("ours", "floor", "reference")


@dataclass
class Target:
    """At most (or at least) so much, absolute or as a part of what another program needs."""

    bound: float
    of: str = ""
    least: bool = False

    def text(self, unit):
        """As it stands in the table."""
        sign = "≥" if self.least else "≤"
        return f"{sign} {self.bound:g} × {self.of}" if self.of else f"{sign} {self.bound:g} {unit}".rstrip()

    def met(self, values):
        """True or False, or None if one of the figures is missing."""
        ours, other = values.get("ours"), values.get(self.of) if self.of else 1.0
        if ours is None or other is None:
            return None
        return ours >= self.bound * other if self.least else ours <= self.bound * other


@dataclass
class Row:
    """One figure for each program."""

    title: str
    unit: str
    values: dict
    targets: list = field(default_factory=list)

    def verdict(self):
        """What the last column says."""
        found = [target.met(self.values) for target in self.targets]
        if False in found:
            return "MISSED"
        return "?" if None in found else "met" if found else ""

    def cells(self):
        """The row as text."""
        value = self.values.get
        cells = [self.title, *(number(value(program)) for program in PROGRAMS), self.unit]
        cells += [ratio(value("ours"), value("floor")), ratio(value("ours"), value("reference"))]
        return cells + [", ".join(target.text(self.unit) for target in self.targets), self.verdict()]


def number(value):
    """Three digits that count, and no more."""
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.0e}"


def ratio(value, other):
    """How many times the other one's, if that can be said."""
    if value is None or not other:
        return "-"
    part = value / other
    return f"{part:.2f}" if part >= 0.1 else f"{part:.4f}"


def render(sections):
    """The table of all sections, each a heading and its rows."""
    head = ["", *PROGRAMS, "unit", "ours/floor", "ours/ref.", "target", ""]
    lines = [head]
    for heading, rows in sections:
        lines.append([heading])
        lines += [row.cells() for row in rows]
    full = [cells for cells in lines if len(cells) > 1]
    widths = [max(len(cells[i]) for cells in full) for i in range(len(head))]
    text = []
    for cells in lines:
        if len(cells) == 1:
            text.append(f"\n{cells[0]}")
            continue
        padded = [
            cell.rjust(width) if 1 <= column <= 3 or column in (5, 6) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths))
        ]
        text.append("  ".join(padded).rstrip())
    return "\n".join(text)
