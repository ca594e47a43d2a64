"""Thermodynamics of ionising hydrogen and helium, and mixing-length convection."""

import numpy as np

from starlabels.tools.rebuild import opacity
from starlabels.tools.rebuild.transfer import SIGMA

ALPHA = 1.25  # mixing length in pressure scale heights
H_FRACTION = 0.92
HE_FRACTION = 0.08
NUCLEUS_MASS = (H_FRACTION * 1.008 + HE_FRACTION * 4.0026) * 1.6605e-24  # g


def _enthalpy_and_volume(temperature, pressure):
    """Enthalpy (erg) and log of the volume per nucleus of ionising H and He."""
    electrons = opacity.solve_saha_electrons(temperature, pressure)
    total = pressure / (opacity.BOLTZMANN * temperature)
    per_nucleus = electrons / (total - electrons)
    thermal = 2.4147e15 * temperature**1.5
    ionised = []
    for weight, energy in ((1.0, 13.598), (4.0, 24.587)):
        saha = weight * thermal * np.exp(-energy / (opacity.EV_PER_K * temperature))
        ionised.append(saha / (saha + electrons))
    energy = H_FRACTION * ionised[0] * 13.598 + HE_FRACTION * ionised[1] * 24.587
    ionisation = energy * 1.60218e-12
    enthalpy = 2.5 * opacity.BOLTZMANN * temperature * (1 + per_nucleus) + ionisation
    return enthalpy, np.log((1 + per_nucleus) * temperature / pressure)


def compute_thermodynamics(temperature, pressure, step=0.005):
    """Thermodynamics of ionising H and He at a temperature (K) and pressure (dyn/cm2).

    Specific heat (erg/g/K), expansion -dln(rho)/dlnT, density (g/cm3) and adiabatic gradient.
    """
    high, volume_high = _enthalpy_and_volume(temperature * (1 + step), pressure)
    low, volume_low = _enthalpy_and_volume(temperature * (1 - step), pressure)
    _, volume = _enthalpy_and_volume(temperature, pressure)
    heat = (high - low) / (2 * step * temperature) / NUCLEUS_MASS
    expansion = (volume_high - volume_low) / np.log((1 + step) / (1 - step))
    density = NUCLEUS_MASS / (np.exp(volume) * opacity.BOLTZMANN)
    return heat, expansion, density, pressure * expansion / (temperature * density * heat)


def compute_convective_flux(gas, gradient, kappa, temperature, pressure, gravity):
    """Mixing-length flux / 4 pi for gradients dlnT/dlnP. Mihalas (1978) eq. 7-76.

    gas: output of `compute_thermodynamics`.
    """
    heat, expansion, density, adiabatic = gas
    height = pressure / (density * gravity)
    thickness = kappa * density * ALPHA * height
    leak = thickness / (1 + 0.5 * thickness**2)
    speed = np.sqrt(gravity * expansion * height)
    loss = 16 * np.sqrt(2) * SIGMA * temperature**3 / (density * heat * speed * ALPHA) * leak
    excess = -0.5 * loss + np.sqrt(0.25 * loss**2 + np.maximum(gradient - adiabatic, 0))
    transport = 0.5 * density * heat * temperature * ALPHA**2 * speed / np.sqrt(8)
    return transport * excess**3 / (4 * np.pi)
