"""Conditions on tables by a grammar, sound and unsound, for `where` of a recipe."""

from hypothesis import strategies as st

NAMES = ("teff", "logg", "mh", "vsini", "k_mag", "`k_mag`", "id", "nothing", "`no such`", "")
NUMBERS = ("0", "1.5", "-3e2", "7000", "9**9**9", "1e999", "0x10", "1_000", "10**10**10", "nan")
TEXTS = ("'a'", '"b"', "'a' * 10**10", "'`' == @pd.io.common.os.system('touch pwned')", "'\\x00'")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=", "in", "not in", "is", "=")
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "and", "or")
CALLS = (
    "abs",
    "isnan",
    "not",
    "-",
    "len",
    "__import__",
    "open",
    "teff.between",
    "teff.isna",
    "eval",
)
BRACKETS = ("[1, 2]", "['a', 'b']", "(1,)", "[x for x in y]", "teff[mh > 0]", "lambda: 0", "{}")


def make_values():
    """Texts of values: names, numbers, texts and lists, alone or in expressions."""
    atoms = st.sampled_from((*NAMES, *NUMBERS, *TEXTS, *BRACKETS))
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
            st.tuples(st.sampled_from(CALLS), inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
            inner.map(lambda text: f"({text})"),
            st.tuples(inner, st.sampled_from((".real", ".__class__", ".values", "[0]"))).map(
                "".join
            ),
        ),
        max_leaves=6,
    )


def make_queries():
    """Texts of conditions: comparisons, half of them sound, joined by and, or, not."""
    sound = st.tuples(
        st.sampled_from(("teff", "logg", "mh", "abs(mh)", "`teff`", "(teff - 5000) / 100")),
        st.sampled_from(("<", ">=", "!=")),
        st.sampled_from(("0", "7000", "-3.5e-2", "logg * 2000")),
    ).map(" ".join)
    comparison = st.tuples(make_values(), st.sampled_from(COMPARISONS), make_values()).map(" ".join)
    return st.recursive(
        sound | sound | comparison | make_values(),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from((" and ", " or ", " & ", " | ")), inner).map("".join),
            inner.map(lambda text: f"not ({text})"),
        ),
        max_leaves=4,
    )
