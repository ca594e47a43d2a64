"""Line-blanketed model atmospheres in radiative-convective equilibrium.

Plane-parallel, LTE, hydrostatic. Newton's method on the temperatures of a fixed column-mass grid
(as in Gustafsson et al. 2008, A&A 486, 951), with opacity distribution functions and mixing-length
convection (alpha = 1.25, as ATLAS9: Castelli & Kurucz 2003).
"""

import numpy as np

from starlabels.tools.rebuild import opacity
from starlabels.tools.rebuild.convection import compute_convective_flux, compute_thermodynamics
from starlabels.tools.rebuild.transfer import LIGHT, SIGMA, integrate_planck, solve_transfer

# Rosseland-like depth: the residual is the flux below it, radiative equilibrium above it
FLUX_FROM_TAU = 0.1
HOPELESS = 0.1  # rms residual after a dozen iterations
# Lowest gas pressure, as a fraction of the weight of the gas above: limits radiation pressure
FEWEST_PRESSURE = 0.05


def compute_rosseland_mean(opacities, temperature, pressure, step=0.01):
    """Rosseland mean opacity (cm2/g) at one temperature (K) and gas pressure (dyn/cm2)."""
    absorption, scattering = opacities(np.array([temperature]), np.array([pressure]))
    hot = integrate_planck(temperature * (1 + step))
    cold = integrate_planck(temperature * (1 - step))
    slope = (hot - cold)[:, None] * opacity.SUB_BINS / opacity.N_SAMPLES
    return slope.sum() / (slope / (absorption + scattering)[..., 0]).sum()


def find_gradient(temperature, pressure, kappa, target, gravity):
    """dlnT/dlnP at which diffusion and convection carry the Eddington flux `target`."""
    gas = compute_thermodynamics(temperature, pressure)
    # H_rad per unit gradient
    diffusion = 4 * SIGMA * temperature**4 * gravity / (3 * np.pi * kappa * pressure)
    low = 0.0
    high = target / diffusion
    for _ in range(40):
        middle = 0.5 * (low + high)
        convective = compute_convective_flux(gas, middle, kappa, temperature, pressure, gravity)
        carried = diffusion * middle + convective
        low, high = (middle, high) if carried < target else (low, middle)
    return 0.5 * (low + high)


def guess_structure(opacities, kappa_5000, teff, logg, log_tau):
    """Column mass (g/cm2) and temperature (K) on log tau_5000, to start from.

    Grey on top, diffusion and convection below tau_Ross = 1.
    """
    gravity = 10**logg
    tau = 10**log_tau
    target = SIGMA * teff**4 / (4 * np.pi)
    temperature = np.full(len(tau), teff * 0.75 * 0.97)
    column = np.empty(len(tau))
    column[0] = solve_top_pressure(kappa_5000, temperature[0], gravity, tau[0]) / gravity
    tau_ross = tau[0]
    for i in range(1, len(tau)):
        pressure = gravity * column[i - 1]
        kappa = compute_rosseland_mean(opacities, temperature[i - 1], pressure)
        gradient = 0.0
        if tau_ross > 1:
            gradient = find_gradient(temperature[i - 1], pressure, kappa, target, gravity)
        kappa_tau = opacity.look_up(kappa_5000, temperature[i - 1], pressure)
        column[i] = column[i - 1] + (tau[i] - tau[i - 1]) / kappa_tau
        tau_ross += kappa * (column[i] - column[i - 1])
        grey = teff * (0.75 * (tau_ross + 0.7104 - 0.1331 * np.exp(-3.4488 * tau_ross))) ** 0.25
        convective = temperature[i - 1] * (column[i] / column[i - 1]) ** gradient
        temperature[i] = convective if tau_ross > 1 and gradient > 0 else grey
    return column, temperature


def solve_top_pressure(kappa_5000, temperature, gravity, tau):
    """Gas pressure (dyn/cm2) of the top layer at optical depth `tau`, by fixed-point iteration."""
    pressure = 1.0
    for _ in range(60):
        kappa = opacity.look_up(kappa_5000, temperature, pressure)
        pressure = 0.5 * (pressure + gravity * tau / kappa)
    return pressure


class AtmosphereModel:
    """An atmosphere on a fixed column-mass grid; `solve_model` refines its temperatures.

    Parameters
    ----------
    opacities : Opacities
    teff, logg : float
        Effective temperature (K) and surface gravity (dex).
    column, temperature, radiation_pressure : array (n_layer,)
        Column mass (g/cm2), temperature (K) and radiation pressure (dyn/cm2).
    """

    def __init__(self, opacities, teff, logg, column, temperature, radiation_pressure):
        self.opacities = opacities
        self.gravity = 10**logg
        self.target = SIGMA * teff**4 / (4 * np.pi)  # Eddington flux
        self.column = column
        self.temperature = temperature
        self.radiation_pressure = radiation_pressure

    @property
    def pressure(self):
        """Gas pressure (n_layer,) in dyn/cm2."""
        weight = self.gravity * self.column
        return np.maximum(weight - self.radiation_pressure, FEWEST_PRESSURE * weight)

    def matter(self, temperature):
        """Opacity chi (cm2/g), scattering fraction, Planck function; each (n_freq, n_layer)."""
        absorption, scattering = self.opacities(temperature, self.pressure)
        thermal = (
            integrate_planck(temperature)[:, None] * (opacity.SUB_BINS / opacity.N_SAMPLES)[:, None]
        )
        chi = absorption + scattering
        return tuple(a.reshape(-1, len(self.column)) for a in (chi, scattering / chi, thermal))

    def scatter(self, chi, albedo, thermal):
        """Eddington flux (n_freq, n_layer - 1) with exact scattering.

        Stores J, the operators of J and H on the source, and the inverse of (1 - Lambda albedo).
        """
        n = len(self.column)
        # (layer of source, n_freq, layer)
        unit = np.broadcast_to(np.eye(n)[:, None, :], (n, *chi.shape))
        self.on_mean, self.on_flux = solve_transfer(self.column, chi, unit)
        matrix = np.eye(n) - (self.on_mean * albedo.T[:, :, None]).transpose(1, 2, 0)
        self.amplify = np.linalg.inv(matrix)  # (n_freq, layer, layer)
        first = np.einsum("kfi,fk->fi", self.on_mean, (1 - albedo) * thermal)
        self.mean = np.einsum("fik,fk->fi", self.amplify, first)
        return np.einsum("kfi,fk->fi", self.on_flux, albedo * self.mean + (1 - albedo) * thermal)

    def radiation(self, chi, albedo, thermal):
        """J and H for other matter (..., n_freq, n_layer).

        Scattering is corrected with the stored operators.
        """
        mean, flux = solve_transfer(self.column, chi, albedo * self.mean + (1 - albedo) * thermal)
        extra = np.einsum("fik,...fk->...fi", self.amplify, mean - self.mean)
        extra_flux = np.einsum(
            "kfi,fk,...fk->...fi", self.on_flux, self.albedo, extra, optimize=True
        )
        return self.mean + extra, flux + extra_flux

    def residual(self, matter, radiation, temperature, norm, split):
        """Residual (..., n_layer) of the equations, and flux over target between layers.

        kappa (J - B) above layer `split`, excess of flux over target between the layers below.
        """
        chi, albedo, thermal = matter
        mean, flux = radiation
        balance = (chi * (1 - albedo) * (mean - thermal)).sum(axis=-2) / norm
        total_flux = flux.sum(axis=-2)
        # Flux mean, between layers
        kappa = (0.5 * (chi[..., 1:] + chi[..., :-1]) * flux).sum(axis=-2) / total_flux
        pressure = self.pressure
        t = np.sqrt(temperature[..., 1:] * temperature[..., :-1])
        p = np.sqrt(pressure[1:] * pressure[:-1])
        gradient = np.diff(np.log(temperature), axis=-1) / np.diff(np.log(pressure))
        gas = compute_thermodynamics(t, p)
        convective = compute_convective_flux(gas, gradient, np.abs(kappa), t, p, self.gravity)
        total = (total_flux + convective) / self.target
        excess = total[..., split - 1 :] - 1
        # Convection overshoots by powers of ten
        excess = np.where(excess > 0, np.log1p(np.maximum(excess, 0)), excess)
        return np.concatenate([balance[..., :split], excess], axis=-1), total

    def linearise(self, step=3e-3):
        """Residual (n_layer,), its derivative to ln T (n_layer, n_layer), flux over target."""
        n = len(self.column)
        matter = self.matter(self.temperature)
        chi, self.albedo, thermal = matter
        flux = self.scatter(*matter)
        mean_chi = 0.5 * (chi[:, 1:] + chi[:, :-1])
        push = (mean_chi * np.maximum(flux, 0)).sum(axis=0) * np.diff(self.column)
        self.radiation_pressure = np.r_[0.0, np.cumsum(push)] * 4 * np.pi / LIGHT
        kappa = (mean_chi * flux).sum(axis=0) / flux.sum(axis=0)
        split = max(int(np.argmax(np.cumsum(kappa * np.diff(self.column)) > FLUX_FROM_TAU)), 1)
        self.fixed = ((chi * (1 - self.albedo) * thermal).sum(axis=0), split)
        base, total = self.residual(matter, (self.mean, flux), self.temperature, *self.fixed)
        hot_temperature = self.temperature * (1 + step)
        hotter = self.matter(hot_temperature)
        diagonal = np.arange(n)
        perturbed = []
        for original, changed in zip(matter, hotter):
            many = np.repeat(original[None], n, axis=0)  # (layer perturbed, n_freq, n_layer)
            many[diagonal, :, diagonal] = changed.T
            perturbed.append(many)
        temperatures = np.where(np.eye(n, dtype=bool), hot_temperature, self.temperature)
        moved, _ = self.residual(perturbed, self.radiation(*perturbed), temperatures, *self.fixed)
        return base, (moved - base).T / np.log1p(step), total

    def cost(self, temperature):
        """Norm of the residual at trial temperatures."""
        matter = self.matter(temperature)
        residual, _ = self.residual(matter, self.radiation(*matter), temperature, *self.fixed)
        return np.sqrt(np.mean(residual**2))


def solve_model(model, n_iterations=25, tolerance=5e-4, largest_step=0.2):
    """Refine a model in place by Newton's method with backtracking; largest relative flux error.

    Stops when no temperature changes by more than `tolerance` (relative).
    """
    best = (np.inf, model.temperature, np.inf)
    for iteration in range(n_iterations):
        residual, jacobian, total = model.linearise()
        now = np.sqrt(np.mean(residual**2))
        if now < best[0]:
            best = (now, model.temperature, np.abs(total - 1).max())
        if iteration > 12 and best[0] > HOPELESS:
            break
        step = np.linalg.lstsq(jacobian, -residual, rcond=1e-12)[0]
        step *= min(1.0, largest_step / np.abs(step).max())
        trials = [model.temperature * np.exp(fraction * step) for fraction in (1.0, 0.5, 0.2)]
        model.temperature = min(trials, key=model.cost)
        if np.abs(step).max() < tolerance:
            break
    model.temperature = best[1]
    return best[2]
