"""Stars that are cooler than observed ones that our spectra fit are flagged."""

from types import SimpleNamespace

import numpy as np
import pytest

from starlabels.spectra.results import StarResult
from starlabels.stages.predict_flags import BITS, RULES
from starlabels.stages.predict_spectra import Predictor
from starlabels.synthesis.library import TRUSTED_TEFF, TRUSTED_TEFF_DEFAULT, find_trusted_teff


def flag_star(teff, wave, sampler):
    """The StarResult of a star of that teff (K), predicted on `wave` (A)."""
    labels = {} if teff is None else {"teff": teff}
    numbers = (np.nan, np.nan, 50.0, 1.0, BITS["edge"], [RULES["edge"]], 1.0)
    result = StarResult("star", "", labels, labels, *numbers)
    axis = SimpleNamespace(wave=np.array(wave))
    predictor = Predictor(None, None, axis, None, sampler)
    return predictor._flag_cool_star(result)


BLUE, OWN = (4450.0, 4989.95), (6500.0, 6600.0)


def test_each_window_has_its_own_limit():
    assert find_trusted_teff(*BLUE) == TRUSTED_TEFF["blue.h5"]
    assert find_trusted_teff(*OWN) == TRUSTED_TEFF_DEFAULT > TRUSTED_TEFF["blue.h5"]


@pytest.mark.parametrize(
    ("teff", "wave", "is_cool"),
    [
        (3850.0, BLUE, True),
        (3950.0, BLUE, False),
        (3950.0, OWN, True),
        (4050.0, OWN, False),
        (np.nan, BLUE, False),
        (None, BLUE, False),  # a model without this label
    ],
)
def test_a_cool_star_keeps_its_other_flags(teff, wave, is_cool):
    result = flag_star(teff, wave, sampler=object())
    assert result.flags == BITS["edge"] | (BITS["cool"] if is_cool else 0)
    assert result.reasons == [RULES["edge"], *[RULES["cool"]] * is_cool]


def test_models_of_observed_spectra_alone_are_not_flagged():
    assert flag_star(3000.0, BLUE, sampler=None).flags == BITS["edge"]
