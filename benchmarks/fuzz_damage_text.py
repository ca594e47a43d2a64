"""Damage to the names, rows and cells of tables in text, drawn at random."""

from benchmarks.fuzz_damage import NAMES, pick_item

CELLS = "inf -inf nan 1e400 1e38 abc NULL -- TRUE 0x10 -9999 12345678901234567890".split()
CELLS += "1e-400 + 1_000 =1+1 2001-01-01 1j -0".split()
CELLS += ["", " ", '"1,5"', "9" * 400, "\N{SNOWMAN}", "1 2", "\u0661", "x" * 200_000, '"a\nb"']
OF_ROWS = "cell cell cell column name name gone twice short long quote".split()


def damage_text(data, rng):
    """Bytes of a table in text with one to three damages to its names, rows and cells."""
    text = data.decode()
    mark = "," if "," in text else " "
    rows = [line.split(mark) for line in text.splitlines()]
    for _ in range(rng.integers(1, 4)):
        if rows:
            rows = damage_text_rows(rows, rng)
    lines = [mark.join(row) for row in rows]
    data = pick_item(rng, ["\n", "\n", "\n", "\n", "\r\n", "\r"]).join(lines).encode()
    ends = {
        "bom": b"\xef\xbb\xbf" + data,
        "latin": data.replace(b"s", b"\xe9", 1),
        "nul": data[:100] + b"\0" + data[100:],
    }
    ends |= {
        "utf16": data.decode().encode("utf-16"),
        "marks": data.replace(mark.encode(), pick_item(rng, [b";", b"\t", b"|", b", "])),
    }
    return pick_item(rng, [data] * 6 + list(ends.values()))


def damage_text_rows(rows, rng):
    """Rows of cells with one damage."""
    i, j = int(rng.integers(len(rows))), int(rng.integers(len(rows[0]))) if rows[0] else 0
    cell, kind = (pick_item(rng, CELLS), pick_item(rng, OF_ROWS))
    kind = (
        pick_item(rng, ["head", "order", "blank", "note", "many", "same"])
        if rng.integers(4) == 0
        else kind
    )
    others = {
        "cell": lambda: [r if k != i else [*r[:j], cell, *r[j + 1 :]] for k, r in enumerate(rows)],
        "column": lambda: [rows[0], *([*r[:j], cell, *r[j + 1 :]] for r in rows[1:])],
        "name": lambda: [[*rows[0][:j], pick_item(rng, NAMES), *rows[0][j + 1 :]], *rows[1:]],
        "gone": lambda: [[*r[:j], *r[j + 1 :]] for r in rows],
        "twice": lambda: [[*r[: j + 1], *r[j:]] for r in rows],
        "short": lambda: [r if k != i else r[:j] for k, r in enumerate(rows)],
        "long": lambda: [r if k != i else [*r, "1", "2"] for k, r in enumerate(rows)],
        "quote": lambda: [
            r if k != i else [*r[:j], '"' + (r[j] if j < len(r) else ""), *r[j + 1 :]]
            for k, r in enumerate(rows)
        ],
        "head": lambda: pick_item(rng, [rows[:1], rows[1:], rows[:2]]),
        "order": lambda: [rows[0], *(rows[1 + k] for k in rng.permutation(len(rows) - 1))],
        "blank": lambda: [*rows[:i], [""], ["", ""], *rows[i:]],
        "note": lambda: [*rows[:i], ["# a note"], *rows[i:]],
        "many": lambda: [
            [*r, *(f"c{k}" if r is rows[0] else "1" for k in range(5000))] for r in rows
        ],
        "same": lambda: [rows[0], *[rows[-1]] * (len(rows) - 1)],
    }
    return others[kind]()
