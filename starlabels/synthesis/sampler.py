"""Spectra at any labels from a node library: interpolate, rotate, degrade and resample, as one batched operation.

The nodes are compressed to a low-rank basis (singular value decomposition), and the *coefficients* are interpolated: a spectrum
is a matrix product in Fourier space, where rotation and instrument are factors.
"""

import numpy as np

from starlabels.base.checksums import checked
from starlabels.base.errors import UserError
from starlabels.base.labels import OFFSET_OF, OFFSETS
from starlabels.synthesis import broaden
from starlabels.synthesis.compression import fill, low_rank, needed
from starlabels.synthesis.interpolate import cells, tensor
from starlabels.synthesis.nodes import AXES, read_grid, read_nodes
from starlabels.synthesis.solar import FILE, factors

# Label steps of the sensitivities
DIFFERENCE = {
    "teff": 20.0,
    "logg": 0.02,
    "mh": 0.02,
    "vmic": 0.05,
    "vsini": 1.0,
    "resolving_power": 100.0,
}
DIFFERENCE |= {"rv": 0.5} | dict.fromkeys((*OFFSETS, *OFFSET_OF), 0.1)


class Sampler:
    """Spectra of a library inside `ranges` {label: (low, high)}; all of it without them. Labels are AXES, vsini and rv.

    vmic_path: a coarser library of the same window, whose change with vmic is added to the first one's single vmic.
    elements_path: another one, whose changes with the abundances of single elements are added; see elements.py.
    solar: multiply the depths of lines by what makes those of the Sun right, see solar.py.
    """

    def __init__(self, path, ranges=None, vmic_path=None, solar=False, elements_path=None):
        self.path, self.grid = path, read_grid(checked(path))
        self.vmic = vmic_path and Sampler(vmic_path, ranges, solar=solar)
        if self.vmic:
            self.home = float(
                self.grid.axes[AXES.index("vmic")][0]
            )  # of all nodes in the first library
            ranges = (ranges or {}) | {"vmic": (self.home, self.home)}
        self.axes, rows = needed(self.grid.axes, ranges or {})
        flux, self.failed = read_nodes(path, rows)
        factor = factors(self.grid.wave()) if solar else np.float32(1)
        depth = (1 - flux) * factor
        depth[self.failed] = 0
        fill(depth, self.failed, [len(axis) for axis in self.axes])
        self.coefficient, basis = low_rank(depth)
        self.broadening = broaden.Broadening(self.grid.wave(), self.grid.step, self.grid.fwhm)
        self.basis = self.broadening.transform(basis)  # (rank, n_freq)
        self.elements = None
        self.files = [
            path,
            *filter(None, (vmic_path, elements_path)),
            *([FILE] if solar else []),
        ]  # all that it is made of
        if elements_path:
            from starlabels.synthesis.elements import Elements

            self.elements = Elements(elements_path, ranges or {}, self.grid, self.broadening, solar)

    def sound(self, labels):
        """Mask (n,) of label sets {name: (n,)} that lie inside the nodes with no failed node at a corner of their cell."""
        if self.vmic:
            return self.vmic.sound(labels) & self._sound(self._at_home(labels))
        return self._sound(labels)

    def _at_home(self, labels):
        """The labels with the vmic of the first library."""
        return labels | {"vmic": np.full(np.shape(labels["vmic"]), self.home)}

    def _sound(self, labels):
        points = [np.asarray(labels[name], float) for name in AXES]
        inside = np.all(
            [(x >= axis[0] - 1e-6) & (x <= axis[-1] + 1e-6) for x, axis in zip(points, self.axes)],
            axis=0,
        )
        corners = cells(
            [np.clip(x, axis[0], axis[-1]) for x, axis in zip(points, self.axes)], self.axes
        )
        return inside & ~self.failed[corners].any(axis=1)

    def spectra(self, labels, wave, resolving_power, chunk=256):
        """Flux (n, n_pix) float32, continuum 1, at labels {name: (n,)} on wavelengths (n_pix,) in A, air.

        resolving_power: of spectra that have none among their labels. ValueError for labels outside the nodes, see `sound`.
        """
        points = [np.asarray(labels[name], float) for name in AXES]
        bad = np.flatnonzero(~self.sound(labels))
        if len(bad):
            where = ", ".join(f"{name} {x[bad[0]]:g}" for name, x in zip(AXES, points))
            raise ValueError(
                f"{self.path} has no sound nodes around {where} ({len(bad)} label sets of {len(points[0])})"
            )
        return self._spectra(labels, wave, resolving_power, chunk)

    def _spectra(self, labels, wave, resolving_power, chunk=256):
        n = len(np.asarray(labels["teff"]))
        columns = {name: np.asarray(labels[name], float) for name in AXES}
        if self.elements:
            columns |= {
                name: np.asarray(labels[name], float)
                for name in self.elements.names
                if name in labels
            }
        own = {"vsini": 0.0, "resolving_power": resolving_power, "rv": 0.0} | labels
        columns |= {
            name: np.broadcast_to(np.asarray(own[name], float), n) for name in broaden.LABELS
        }
        onto, out = self._onto(wave), np.empty((n, len(wave)), "f4")
        for start in range(0, n, chunk):
            part = {name: values[start : start + chunk] for name, values in columns.items()}
            out[start : start + chunk] = self.broadening.flux(self._transform(part), part, onto)
        return out

    def _transform(self, labels):
        """Fourier transform (n, n_freq) of the line depth, neither rotated nor degraded."""
        if not self.vmic and not self.elements:
            return self.coefficients(labels).astype("c8") @ self.basis
        home = self._at_home(labels) if self.vmic else labels
        parts = [(self.coefficients(home), self)]
        if self.vmic:
            parts.append((self.vmic.coefficients(labels) - self.vmic.coefficients(home), self.vmic))
        if self.elements:
            parts.append((self.elements.coefficients(home), self.elements))
        return sum(mixed @ one.basis.view("f4") for mixed, one in parts).view(
            "c8"
        )  # half the work of complex products

    def coefficients(self, labels):
        """Coefficients (n, rank) of the basis at labels {name: (n,)}."""
        index, weight = tensor([labels[name] for name in AXES], self.axes)
        return np.einsum("nk,nkr->nr", weight.astype("f4"), self.coefficient[index])

    def intrinsic(self, labels, chunk):
        """Yield flux (chunk, n_pix), neither rotated nor degraded, on the wavelengths of the nodes, at labels {name: (n,)}."""
        for start in range(0, len(labels["teff"]), chunk):
            part = {name: values[start : start + chunk] for name, values in labels.items()}
            yield 1 - self.broadening.depth(self._transform(part))

    def _onto(self, wave):
        """`Broadening.onto` of wavelengths inside the window; UserError for others."""
        low, high = self.grid.wave_min, self.grid.wave_max
        if wave[0] < low - 1e-6 or wave[-1] > high + 1e-6:
            raise UserError(
                f"{self.path} covers {low:g} to {high:g} A; asked {wave[0]:g} to {wave[-1]:g}: narrow `wave`"
            )
        return self.broadening.onto(wave)

    def sensitivities(self, labels, names, wave, resolving_power):
        """d flux / d label (n, len(names), n_pix), central differences one-sided at the edges of the nodes.

        All other labels stay; of an element whose [X/H] is among the names that stays, and not its [X/M].
        """

        def spectra(shifted):
            own = {
                OFFSET_OF[name]: shifted[name] - shifted["mh"]
                for name in names
                if name in OFFSET_OF
            }
            return self._spectra(shifted | own, wave, resolving_power)

        axes = dict(zip(AXES, self.axes)) | (
            {"vmic": self.vmic.axes[AXES.index("vmic")]} if self.vmic else {}
        )
        limits = dict.fromkeys(names, (-np.inf, np.inf)) | {
            name: (axis[0], axis[-1]) for name, axis in axes.items()
        }
        limits |= {"vsini": (0.0, np.inf), "resolving_power": (1.0, self.grid.resolving_power)}
        return derivatives(spectra, labels, names, limits)


def derivatives(spectra, labels, names, limits):
    """d flux / d label (n, len(names), n_pix) of spectra(labels {name: (n,)}), one-sided at limits {name: (low, high)}."""
    out = []
    for name in names:
        value = np.asarray(labels[name], float)
        below, above = (np.clip(value + sign * DIFFERENCE[name], *limits[name]) for sign in (-1, 1))
        change = spectra(labels | {name: above}) - spectra(labels | {name: below})
        out.append(change / (above - below)[:, None])
    return np.stack(out, axis=1)
