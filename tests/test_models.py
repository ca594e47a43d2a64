"""The networks: the published structure, building, saving, and costs of importing."""

import subprocess
import sys

import numpy as np
import pytest

from starlabels.models import BUILDERS


def test_importing_the_builders_does_not_import_keras():
    code = "import sys, starlabels.models; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_seed_network_has_the_published_parameter_count():
    conv = (8 * 1 + 1) * 4 + (8 * 4 + 1) * 16
    dense = (10800 // 4 * 16 + 1) * 256 + (256 + 1) * 128 + (128 + 1) * 4
    assert BUILDERS["seed_cnn"](10800, 4).count_params() == conv + dense


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_survives_saving_and_safe_loading(name, tmp_path):
    import keras

    model = BUILDERS[name](500, 3)
    flux = np.random.default_rng(0).random((5, 500), dtype="f4")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.predict(flux, verbose=0).shape == (5, 3)
    np.testing.assert_allclose(again.predict(flux, verbose=0), model.predict(flux, verbose=0), rtol=1e-5)


def test_strided_network_reads_line_depth_so_that_a_pure_continuum_gives_its_biases():
    model = BUILDERS["strided_cnn"](500, 2)
    assert np.abs(model.predict(np.ones((1, 500)), verbose=0)).max() < 1e-6  # all biases are zero at first


def test_strided_network_refuses_filters_and_strides_of_different_number():
    with pytest.raises(ValueError, match="equally many"):
        BUILDERS["strided_cnn"](500, 2, filters=[4, 8], strides=[4])
