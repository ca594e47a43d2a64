"""Line-blanketed model atmospheres in radiative-convective equilibrium: plane-parallel, LTE, hydrostatic.

Newton's method on the temperatures of a fixed column-mass grid (as in Gustafsson et al. 2008, A&A 486, 951), with opacity
distribution functions and mixing-length convection (alpha = 1.25, as ATLAS9: Castelli & Kurucz 2003).
"""

import numpy as np

from starlabels.tools.rebuild import opacity

SIGMA, LIGHT, PLANCK = 5.670374e-5, 2.99792458e10, 6.62607015e-27  # cgs
ALPHA = 1.25  # mixing length in pressure scale heights
FLUX_FROM_TAU = (
    0.1  # below this Rosseland-like depth the residual is the flux, above it radiative equilibrium
)
HOPELESS = 0.1  # rms residual after a dozen iterations
FEWEST_PRESSURE = 0.05  # of the weight of the gas above: radiation pressure may not take more
MU, MU_WEIGHT = np.polynomial.legendre.leggauss(3)
MU, MU_WEIGHT = 0.5 * (MU + 1), 0.5 * MU_WEIGHT
H_FRACTION, HE_FRACTION = 0.92, 0.08
NUCLEUS_MASS = (H_FRACTION * 1.008 + HE_FRACTION * 4.0026) * 1.6605e-24  # g


def planck(temperature):
    """B integrated over each opacity bin (n_bin, ...), erg/s/cm2/sr."""
    x, weight = np.polynomial.legendre.leggauss(5)
    low, high = opacity.BIN_EDGES[:-1, None] * 1e-8, opacity.BIN_EDGES[1:, None] * 1e-8
    shape = (-1,) + (1,) * np.ndim(temperature)
    total = 0.0
    for xi, wi in zip(x, weight):
        wave = (0.5 * (low + high) + 0.5 * xi * (high - low)).reshape(shape)
        u = np.clip(
            PLANCK * LIGHT / (wave * opacity.BOLTZMANN * np.asarray(temperature)[None]), 1e-4, 300
        )
        total = total + 0.5 * wi * 2 * PLANCK * LIGHT**2 / wave**5 / np.expm1(u) * (
            high - low
        ).reshape(shape)
    total[-1] = SIGMA * np.asarray(temperature) ** 4 / np.pi - total[:-1].sum(
        axis=0
    )  # all that lies redward
    return total


def formal_solution(column, chi, source):
    """Mean intensity J (..., n_layer) and Eddington flux H between layers (..., n_layer - 1) for opacities chi (cm2/g).

    Short characteristics with linear source give j = (I+ + I-)/2 on each ray, h = mu dj/dtau between layers: a compact
    difference, so that no zigzag of the temperatures is invisible to the flux.
    """
    optical = 0.5 * (chi[..., 1:] + chi[..., :-1]) * np.diff(column)
    slope = (source[..., -1] - source[..., -2]) / optical[
        ..., -1
    ]  # dS/dtau at the bottom: diffusion
    mean, flux = np.zeros_like(source), np.zeros_like(source[..., 1:])
    last = source.shape[-1] - 1
    for mu, weight in zip(MU, MU_WEIGHT):
        step = optical / mu
        decay = np.exp(-np.minimum(step, 300))
        thin = step < 1e-3
        ratio = np.where(thin, 1 - 0.5 * step, (1 - decay) / np.where(thin, 1.0, step))
        near, far = np.where(thin, 0.5 * step, 1 - ratio), np.where(thin, 0.5 * step, ratio - decay)
        inward, outward = np.zeros_like(source), np.empty_like(source)
        for k in range(1, last + 1):
            i = k - 1
            inward[..., k] = (
                inward[..., i] * decay[..., i]
                + far[..., i] * source[..., i]
                + near[..., i] * source[..., k]
            )
        outward[..., last] = source[..., last] + mu * slope
        for k in range(last - 1, -1, -1):
            outward[..., k] = (
                outward[..., k + 1] * decay[..., k]
                + far[..., k] * source[..., k + 1]
                + near[..., k] * source[..., k]
            )
        symmetric = 0.5 * (outward + inward)
        mean += weight * symmetric
        flux += weight * mu * np.diff(symmetric) / step
    return mean, flux


def _enthalpy_and_volume(temperature, pressure):
    electrons = opacity.saha_electrons(temperature, pressure)
    total = pressure / (opacity.BOLTZMANN * temperature)
    per_nucleus = electrons / (total - electrons)
    thermal = 2.4147e15 * temperature**1.5
    ionised = []
    for weight, energy in ((1.0, 13.598), (4.0, 24.587)):
        saha = weight * thermal * np.exp(-energy / (opacity.EV_PER_K * temperature))
        ionised.append(saha / (saha + electrons))
    ionisation = (
        H_FRACTION * ionised[0] * 13.598 + HE_FRACTION * ionised[1] * 24.587
    ) * 1.60218e-12
    enthalpy = 2.5 * opacity.BOLTZMANN * temperature * (1 + per_nucleus) + ionisation
    return enthalpy, np.log((1 + per_nucleus) * temperature / pressure)


def thermodynamics(temperature, pressure, step=0.005):
    """Specific heat (erg/g/K), expansion -dln(rho)/dlnT, density (g/cm3) and adiabatic gradient of ionising H and He."""
    high, volume_high = _enthalpy_and_volume(temperature * (1 + step), pressure)
    low, volume_low = _enthalpy_and_volume(temperature * (1 - step), pressure)
    _, volume = _enthalpy_and_volume(temperature, pressure)
    heat = (high - low) / (2 * step * temperature) / NUCLEUS_MASS
    expansion = (volume_high - volume_low) / np.log((1 + step) / (1 - step))
    density = NUCLEUS_MASS / (np.exp(volume) * opacity.BOLTZMANN)
    return heat, expansion, density, pressure * expansion / (temperature * density * heat)


def convective_flux(gas, gradient, kappa, temperature, pressure, gravity):
    """Mixing-length flux / 4 pi for gradients dlnT/dlnP; `gas` from `thermodynamics`. Mihalas (1978) eq. 7-76."""
    heat, expansion, density, adiabatic = gas
    height = pressure / (density * gravity)
    thickness = kappa * density * ALPHA * height
    leak = thickness / (1 + 0.5 * thickness**2)
    speed = np.sqrt(gravity * expansion * height)
    loss = 16 * np.sqrt(2) * SIGMA * temperature**3 / (density * heat * speed * ALPHA) * leak
    excess = -0.5 * loss + np.sqrt(0.25 * loss**2 + np.maximum(gradient - adiabatic, 0))
    return (
        0.5 * density * heat * temperature * ALPHA**2 * speed / np.sqrt(8) * excess**3 / (4 * np.pi)
    )


def rosseland(opacities, temperature, pressure, step=0.01):
    """Rosseland mean opacity (cm2/g) at one temperature (K) and gas pressure (dyn/cm2)."""
    absorption, scattering = opacities(np.array([temperature]), np.array([pressure]))
    slope = (
        (planck(temperature * (1 + step)) - planck(temperature * (1 - step)))[:, None]
        * opacity.SUB_BINS
        / opacity.N_SAMPLES
    )
    return slope.sum() / (slope / (absorption + scattering)[..., 0]).sum()


def local_gradient(temperature, pressure, kappa, target, gravity):
    """dlnT/dlnP that carries the Eddington flux `target` by diffusion and convection, by bisection."""
    gas = thermodynamics(temperature, pressure)
    diffusion = (
        4 * SIGMA * temperature**4 * gravity / (3 * np.pi * kappa * pressure)
    )  # H_rad per unit gradient
    low, high = 0.0, target / diffusion
    for _ in range(40):
        middle = 0.5 * (low + high)
        carried = diffusion * middle + convective_flux(
            gas, middle, kappa, temperature, pressure, gravity
        )
        low, high = (middle, high) if carried < target else (low, middle)
    return 0.5 * (low + high)


def first_guess(opacities, kappa_5000, teff, logg, log_tau):
    """Column mass (g/cm2) and temperature (K) on log tau_5000: grey on top, diffusion and convection below tau_Ross = 1."""
    gravity, tau = 10**logg, 10**log_tau
    target = SIGMA * teff**4 / (4 * np.pi)
    temperature = np.full(len(tau), teff * 0.75 * 0.97)
    column = np.empty(len(tau))
    pressure = 1.0
    for _ in range(60):
        pressure = 0.5 * (
            pressure + gravity * tau[0] / opacity.lookup(kappa_5000, temperature[0], pressure)
        )
    column[0], tau_ross = pressure / gravity, tau[0]
    for i in range(1, len(tau)):
        pressure = gravity * column[i - 1]
        kappa = rosseland(opacities, temperature[i - 1], pressure)
        gradient = (
            local_gradient(temperature[i - 1], pressure, kappa, target, gravity)
            if tau_ross > 1
            else 0.0
        )
        column[i] = column[i - 1] + (tau[i] - tau[i - 1]) / opacity.lookup(
            kappa_5000, temperature[i - 1], pressure
        )
        tau_ross += kappa * (column[i] - column[i - 1])
        grey = teff * (0.75 * (tau_ross + 0.7104 - 0.1331 * np.exp(-3.4488 * tau_ross))) ** 0.25
        convective = temperature[i - 1] * (column[i] / column[i - 1]) ** gradient
        temperature[i] = convective if tau_ross > 1 and gradient > 0 else grey
    return column, temperature


class Model:
    """One atmosphere on a fixed column-mass grid (g/cm2): temperature (K), radiation pressure (dyn/cm2); `solve` refines it."""

    def __init__(self, opacities, teff, logg, column, temperature, radiation_pressure):
        self.opacities, self.column, self.gravity = opacities, column, 10**logg
        self.target = SIGMA * teff**4 / (4 * np.pi)  # Eddington flux
        self.temperature, self.radiation_pressure = temperature, radiation_pressure

    @property
    def pressure(self):
        weight = self.gravity * self.column
        return np.maximum(weight - self.radiation_pressure, FEWEST_PRESSURE * weight)

    def matter(self, temperature):
        """Opacity chi (cm2/g), scattering fraction and Planck function, each (n_freq, n_layer), at the present pressures."""
        absorption, scattering = self.opacities(temperature, self.pressure)
        thermal = planck(temperature)[:, None] * (opacity.SUB_BINS / opacity.N_SAMPLES)[:, None]
        chi = absorption + scattering
        return tuple(a.reshape(-1, len(self.column)) for a in (chi, scattering / chi, thermal))

    def scatter(self, chi, albedo, thermal):
        """Exact J with scattering: stores the operators of J and H on the source and the inverse of (1 - Lambda albedo)."""
        n = len(self.column)
        unit = np.broadcast_to(
            np.eye(n)[:, None, :], (n, *chi.shape)
        )  # (layer of source, n_freq, layer)
        self.on_mean, self.on_flux = formal_solution(self.column, chi, unit)
        matrix = np.eye(n) - (self.on_mean * albedo.T[:, :, None]).transpose(1, 2, 0)
        self.amplify = np.linalg.inv(matrix)  # (n_freq, layer, layer)
        first = np.einsum("kfi,fk->fi", self.on_mean, (1 - albedo) * thermal)
        self.mean = np.einsum("fik,fk->fi", self.amplify, first)
        return np.einsum("kfi,fk->fi", self.on_flux, albedo * self.mean + (1 - albedo) * thermal)

    def radiation(self, chi, albedo, thermal):
        """J and H for other matter (..., n_freq, n_layer), scattering corrected with the stored operators."""
        mean, flux = formal_solution(self.column, chi, albedo * self.mean + (1 - albedo) * thermal)
        extra = np.einsum("fik,...fk->...fi", self.amplify, mean - self.mean)
        return self.mean + extra, flux + np.einsum(
            "kfi,fk,...fk->...fi", self.on_flux, self.albedo, extra, optimize=True
        )

    def residual(self, matter, radiation, temperature, norm, split):
        """(..., n_layer): equilibrium kappa (J - B) above layer `split`, excess of flux over target between layers below."""
        chi, albedo, thermal = matter
        mean, flux = radiation
        balance = (chi * (1 - albedo) * (mean - thermal)).sum(axis=-2) / norm
        total_flux = flux.sum(axis=-2)
        kappa = (0.5 * (chi[..., 1:] + chi[..., :-1]) * flux).sum(
            axis=-2
        ) / total_flux  # flux mean, between layers
        pressure = self.pressure
        t, p = (
            np.sqrt(temperature[..., 1:] * temperature[..., :-1]),
            np.sqrt(pressure[1:] * pressure[:-1]),
        )
        gradient = np.diff(np.log(temperature), axis=-1) / np.diff(np.log(pressure))
        convective = convective_flux(
            thermodynamics(t, p), gradient, np.abs(kappa), t, p, self.gravity
        )
        total = (total_flux + convective) / self.target
        excess = total[..., split - 1 :] - 1
        excess = np.where(
            excess > 0, np.log1p(np.maximum(excess, 0)), excess
        )  # convection overshoots by powers of ten
        return np.concatenate([balance[..., :split], excess], axis=-1), total

    def linearise(self, step=3e-3):
        """Residual (n_layer,), its derivative to ln T (n_layer, n_layer) and the flux over target between layers."""
        n = len(self.column)
        matter = chi, self.albedo, thermal = self.matter(self.temperature)
        flux = self.scatter(*matter)
        push = (0.5 * (chi[:, 1:] + chi[:, :-1]) * np.maximum(flux, 0)).sum(axis=0) * np.diff(
            self.column
        )
        self.radiation_pressure = np.r_[0.0, np.cumsum(push)] * 4 * np.pi / LIGHT
        kappa = (0.5 * (chi[:, 1:] + chi[:, :-1]) * flux).sum(axis=0) / flux.sum(axis=0)
        split = max(int(np.argmax(np.cumsum(kappa * np.diff(self.column)) > FLUX_FROM_TAU)), 1)
        self.fixed = ((chi * (1 - self.albedo) * thermal).sum(axis=0), split)
        base, total = self.residual(matter, (self.mean, flux), self.temperature, *self.fixed)
        hotter, diagonal = self.matter(self.temperature * (1 + step)), np.arange(n)
        perturbed = []
        for original, changed in zip(matter, hotter):
            many = np.repeat(original[None], n, axis=0)  # (layer perturbed, n_freq, n_layer)
            many[diagonal, :, diagonal] = changed.T
            perturbed.append(many)
        temperatures = np.where(
            np.eye(n, dtype=bool), self.temperature * (1 + step), self.temperature
        )
        moved, _ = self.residual(perturbed, self.radiation(*perturbed), temperatures, *self.fixed)
        return base, (moved - base).T / np.log1p(step), total

    def cost(self, temperature):
        """Norm of the residual at trial temperatures."""
        matter = self.matter(temperature)
        residual, _ = self.residual(matter, self.radiation(*matter), temperature, *self.fixed)
        return np.sqrt(np.mean(residual**2))


def solve(model, n_iterations=25, tolerance=5e-4, largest_step=0.2):
    """Newton with backtracking until no temperature moves by more than `tolerance`; the largest relative flux error left."""
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
