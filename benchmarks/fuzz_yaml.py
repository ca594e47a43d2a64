"""Damage to the text of a YAML file, drawn by hypothesis."""

import random

from hypothesis import strategies as st

LAUGHS = "\n".join(
    ["a0: &a0 [lol]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
)
INSERTS = [
    "\t",
    "'",
    '"',
    *"{}[]:|>",
    "- ",
    "&a ",
    "*a",
    "? ",
    "%YAML 9.9\n",
    "---\n",
    "...\n",
    "\r",
    "\x85",
    "\u2028",
    "\ufeff",
]
INSERTS += [
    "!!python/object/apply:os.system ['touch pwned'] ",
    "!!int x",
    "!!float [1]",
    "!!binary ä",
    "!!timestamp 2001-99-99",
]
INSERTS += [
    "!!set {a, b}",
    "!!bool x",
    "<<: *a\n",
    "!x ",
    "!!omap [a: 1]",
    "!!null x",
    "2001-99-99",
    "9" * 5000,
    "0x",
    "# ",
]
INSERTS += [
    "1:30",
    "\x07",
    "&a [*a]",
    "&a {x: *a}",
    "[" * 2000,
    "{a: " * 2000,
    LAUGHS,
    f"\n{LAUGHS}\n",
    "x" * 100_000,
    "1_000",
]
INSERTS += [
    "\n# " + "c" * 100_000,
    "seed: 1\n",
    "\nwave: null\n",
    "!!str ",
    "!!map []",
    "!!seq {}",
    f"0x{'f' * 5000}",
    "0o7",
]


def break_yaml(draw, text):
    """Damage the text of a YAML file in one place, as drawn; bytes."""
    lines = text.splitlines()
    i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    kind = draw(
        st.sampled_from(
            [
                "insert",
                "insert",
                "insert",
                "cut",
                "drop",
                "twice",
                "swap",
                "indent",
                "bytes",
                "encode",
            ]
        )
    )
    if kind == "insert":
        at = draw(st.integers(0, len(lines[i])) | st.just(0) | st.just(lines[i].find(":") + 2))
        lines[i] = lines[i][:at] + draw(st.sampled_from(INSERTS)) + lines[i][at:]
    elif kind == "drop":
        del lines[i]
    elif kind == "twice":
        lines.insert(j, lines[i])
    elif kind == "swap":
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == "indent":
        lines[i] = (
            draw(st.sampled_from(["  ", " ", "\t", "      "])) + lines[i]
            if draw(st.booleans())
            else lines[i].lstrip()
        )
    data = "\n".join(lines).encode()
    if kind == "cut":
        data = data[: draw(st.integers(0, len(data)))]
    elif kind == "bytes":
        rng = random.Random(draw(st.integers(0, 2**32)))
        data = bytes(rng.randrange(256) if rng.random() < 0.001 else byte for byte in data)
    elif kind == "encode":
        data = data.decode().encode(
            draw(st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "cp037"])), "ignore"
        )
    return data
