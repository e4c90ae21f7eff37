"""What the checks measured, as a table; below it whatever was not good."""

from __future__ import annotations

_COLUMNS = (("who", 22), ("model", 11), ("ckpt", 6), ("s/step", 8), ("peak", 7), ("beside", 7), ("plan", 7), ("loaded", 7), ("syncs", 6),
            ("kernels", 8), ("busy", 6))


def table(results: list[dict]) -> str:
    """One line a measured run, GiB of memory; 'beside' is the peak without the weights that lie on the card, 'plan' what was kept free
    for it."""
    lines = [" ".join(f"{name:>{width}}" for name, width in _COLUMNS)]
    lines += [_line(entry["group"], entry["row"]) for entry in results if isinstance(entry.get("row"), dict)]
    judged = [entry for entry in results if entry["check"] != "start" or not entry.get("ok")]
    for entry in judged:
        if entry.get("ok") is not True:
            lines.append(f"{'BAD' if entry.get('ok') is False else '-  '} {entry['group']}: {entry['check']}: {entry['say'][:700]}")
    good, bad = (sum(entry.get("ok") is verdict for entry in judged) for verdict in (True, False))
    lines.append(f"{good} good, {bad} bad, {len(judged) - good - bad} without a verdict")
    return "\n".join(lines)


def _line(group: str, row: dict) -> str:
    def number(name: str, digits: int) -> str:
        return f"{row[name]:.{digits}f}" if isinstance(row.get(name), float) else ""

    values = (row.get("who", group), f"{row['family']} {row['side']}", str(row["ckpt"]), number("s_step", 4), number("peak_gib", 2),
              number("beside_gib", 2), number("plan_gib", 2), f"{row['loaded']:.0%}" if "loaded" in row else "",
              *(str(row.get(name, "")) for name in ("syncs", "kernels", "busy")))
    return " ".join(f"{value:>{width}}" for value, (_, width) in zip(values, _COLUMNS, strict=True))
