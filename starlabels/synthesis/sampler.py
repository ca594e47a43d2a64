"""Spectra at any labels from a node library, in batches: interpolate, rotate, degrade, resample.

The nodes are compressed to a low-rank basis (singular value decomposition), and the *coefficients*
are interpolated. A spectrum is a matrix product in Fourier space, where rotation and instrument
are factors.
"""

import numpy as np

from starlabels.base.checksums import verify_checksum
from starlabels.base.errors import UserError
from starlabels.base.labels import OFFSET_OF, OFFSETS
from starlabels.base.wavelengths import convert_medium
from starlabels.synthesis import broaden
from starlabels.synthesis.compression import load_compressed, select_nodes
from starlabels.synthesis.elements import ElementChanges
from starlabels.synthesis.interpolate import find_cell_corners, interpolate_nodes
from starlabels.synthesis.nodes import AXES, read_grid

VMIC = AXES.index("vmic")
# Label steps of the derivatives
LABEL_STEPS = {
    "teff": 20.0,
    "logg": 0.02,
    "mh": 0.02,
    "vmic": 0.05,
    "vsini": 1.0,
    "resolving_power": 100.0,
    "rv": 0.5,
} | dict.fromkeys((*OFFSETS, *OFFSET_OF), 0.1)


class Sampler:
    """Spectra of a node library at any labels: AXES, vsini, rv and abundance offsets [X/M].

    Parameters
    ----------
    path : path
        Library of nodes.
    ranges : dict, optional
        {label: (low, high)} to cover; default: the whole library.
    vmic_path : path, optional
        Coarser library of the same window. Its change with vmic is added to the single vmic of
        the main library.
    elements_path : path, optional
        Library whose changes with the abundances of single elements are added, see elements.py.
    medium : str, optional
        "air" or "vacuum": of the wavelengths of sampled spectra; default: that of the library.

    Attributes
    ----------
    files : list of path
        All files that the spectra depend on.
    """

    def __init__(self, path, ranges=None, vmic_path=None, elements_path=None, medium=None):
        self.path = path
        self.grid = read_grid(verify_checksum(path))
        self.medium = medium or self.grid.medium
        self.vmic_sampler = Sampler(vmic_path, ranges) if vmic_path else None
        ranges = ranges or {}
        if self.vmic_sampler:
            self.main_vmic = float(self.grid.axes[VMIC][0])  # of all nodes in the main library
            ranges = ranges | {"vmic": (self.main_vmic, self.main_vmic)}
        self.axes, rows = select_nodes(self.grid.axes, ranges)
        shape = [len(axis) for axis in self.axes]
        n_nodes = int(np.prod(self.grid.shape))
        self.coefficient, basis, self.failed = load_compressed(path, rows, shape, n_nodes)
        self.broadening = broaden.Broadening(self.grid.wave(), self.grid.step, self.grid.fwhm)
        self.basis = self.broadening.to_fourier(basis)  # (rank, n_freq)
        self.elements = None
        if elements_path:
            self.elements = ElementChanges(elements_path, ranges, self.grid, self.broadening)
        self.files = [path, *filter(None, (vmic_path, elements_path))]

    def covers(self, labels):
        """Boolean (n,): True if label sets {name: (n,)} are inside the nodes of a valid cell.

        A cell is valid if none of its corners is a failed node.
        """
        points = [np.asarray(self._with_main_vmic(labels)[name], float) for name in AXES]
        is_inside = [
            (x >= axis[0] - 1e-6) & (x <= axis[-1] + 1e-6) for x, axis in zip(points, self.axes)
        ]
        clipped = [np.clip(x, axis[0], axis[-1]) for x, axis in zip(points, self.axes)]
        corners = find_cell_corners(clipped, self.axes)
        is_covered = np.all(is_inside, axis=0) & ~self.failed[corners].any(axis=1)
        return is_covered & self.vmic_sampler.covers(labels) if self.vmic_sampler else is_covered

    def _with_main_vmic(self, labels):
        """The labels with the vmic of the main library, if another library adds its changes."""
        if not self.vmic_sampler:
            return labels
        return labels | {"vmic": np.full(np.shape(labels["vmic"]), self.main_vmic)}

    def sample_spectra(self, labels, wave, resolving_power, chunk=256, check=True):
        """Sample continuum-normalised spectra.

        Parameters
        ----------
        labels : dict
            {name: (n,)}: AXES and optionally vsini, resolving_power, rv and [X/M].
        wave : array (n_pix,)
            Wavelengths (A) in the medium of the sampler.
        resolving_power : float
            lambda / FWHM, unless it is one of the labels.
        chunk : int
            Number of spectra computed at a time.
        check : bool
            False: labels may lie in cells with failed nodes, which are extrapolated, as a step of
            a derivative may.

        Returns
        -------
        array (n, n_pix) float32

        Raises
        ------
        ValueError
            For labels that the nodes do not cover, see `covers`.
        """
        points = [np.asarray(labels[name], float) for name in AXES]
        bad = np.flatnonzero(~self.covers(labels)) if check else ()
        if len(bad):
            place = ", ".join(f"{name} {x[bad[0]]:g}" for name, x in zip(AXES, points))
            raise ValueError(
                f"{self.path} has no valid nodes around {place} "
                f"({len(bad)} label sets of {len(points[0])})"
            )
        return self._sample_unchecked(labels, wave, resolving_power, chunk)

    def _sample_unchecked(self, labels, wave, resolving_power, chunk=256):
        n = len(np.asarray(labels["teff"]))
        names = [*AXES]
        if self.elements:
            names += [name for name in self.elements.names if name in labels]
        columns = {name: np.asarray(labels[name], float) for name in names}
        defaults = {"vsini": 0.0, "resolving_power": resolving_power, "rv": 0.0}
        for name in broaden.BROADENING_LABELS:
            value = labels.get(name, defaults[name])
            columns[name] = np.broadcast_to(np.asarray(value, float), n)
        wave = self._convert_wave(wave)
        n_freq = self.broadening.count_frequencies(columns["resolving_power"])
        out = np.empty((n, len(wave)), "f4")
        for start in range(0, n, chunk):
            part = {name: values[start : start + chunk] for name, values in columns.items()}
            transform = self._transform(part, n_freq)
            out[start : start + chunk] = self.broadening.broaden(transform, part, wave)
        return out

    def _transform(self, labels, n_freq=None):
        """Fourier transform (n, n_freq) of the line depth, neither rotated nor degraded.

        n_freq: number of the first frequencies; default: all.
        """
        if not self.vmic_sampler and not self.elements:
            return self.coefficients(labels).astype("c8") @ self.basis[:, :n_freq]
        main_labels = self._with_main_vmic(labels)
        parts = [(self.coefficients(main_labels), self.basis)]
        if self.vmic_sampler:
            other = self.vmic_sampler
            change = other.coefficients(labels) - other.coefficients(main_labels)
            parts.append((change, other.basis))
        if self.elements:
            parts.append((self.elements.coefficients(main_labels), self.elements.basis))
        # Real coefficients on a real view: half the work of complex products
        products = (coefficients @ basis[:, :n_freq].view("f4") for coefficients, basis in parts)
        return sum(products).view("c8")

    def coefficients(self, labels):
        """Coefficients (n, rank) of the basis at labels {name: (n,)}."""
        points = [labels[name] for name in AXES]
        return interpolate_nodes(points, self.axes, self.coefficient)

    def sample_intrinsic(self, labels):
        """Flux (n, n_pix) at labels {name: (n,)} on the wavelengths of the nodes, as broad."""
        return np.concatenate(list(self.iterate_intrinsic(labels, chunk=64)))

    def iterate_intrinsic(self, labels, chunk):
        """Yield flux (chunk, n_pix) at labels {name: (n,)} without rotation and instrument.

        The wavelengths are those of the nodes.
        """
        for start in range(0, len(labels["teff"]), chunk):
            part = {name: values[start : start + chunk] for name, values in labels.items()}
            yield 1 - self.broadening.from_fourier(self._transform(part))

    def _convert_wave(self, wave):
        """Wavelengths (n,) in the medium of the nodes; UserError outside their window."""
        low, high = self.grid.wave_min, self.grid.wave_max
        wave = convert_medium(wave, self.medium, self.grid.medium)
        if wave[0] < low - 1e-6 or wave[-1] > high + 1e-6:
            raise UserError(
                f"{self.path} covers {low:g} to {high:g} A; "
                f"requested {wave[0]:g} to {wave[-1]:g}: narrow `wave`"
            )
        return wave

    def compute_sensitivities(self, labels, names, wave, resolving_power):
        """Derivatives d flux / d label (n, len(names), n_pix) of `sample_spectra`.

        Central differences, one-sided at the edges of the nodes. All other labels stay fixed; of
        an element whose [X/H] is among the names, [X/H] stays fixed and [X/M] does not.
        """

        def sample_shifted(shifted):
            offsets = {
                OFFSET_OF[name]: shifted[name] - shifted["mh"]
                for name in names
                if name in OFFSET_OF
            }
            return self._sample_unchecked(shifted | offsets, wave, resolving_power)

        return compute_derivatives(sample_shifted, labels, names, self.find_limits(names))

    def find_limits(self, names):
        """{name: (low, high)} of the labels that spectra can be sampled at."""
        axes = dict(zip(AXES, self.axes))
        if self.vmic_sampler:
            axes["vmic"] = self.vmic_sampler.axes[VMIC]
        limits = dict.fromkeys(names, (-np.inf, np.inf))
        limits |= {name: (axis[0], axis[-1]) for name, axis in axes.items()}
        limits |= {"vsini": (0.0, np.inf), "resolving_power": (1.0, self.grid.resolving_power)}
        return limits


def compute_derivatives(sample, labels, names, limits):
    """Central differences d flux / d label, one-sided at the limits.

    Parameters
    ----------
    sample : function
        Flux (n, n_pix) of labels {name: (n,)}.
    labels : dict
        {name: (n,)}, where to differentiate.
    names : list of str
        Labels to differentiate by.
    limits : dict
        {name: (low, high)} that no label may exceed.

    Returns
    -------
    array (n, len(names), n_pix)
    """
    out = []
    for name in names:
        value = np.asarray(labels[name], float)
        below = np.clip(value - LABEL_STEPS[name], *limits[name])
        above = np.clip(value + LABEL_STEPS[name], *limits[name])
        change = sample(labels | {name: above}) - sample(labels | {name: below})
        step = above - below  # 0 of a label that has a single value
        out.append(change / np.where(step > 0, step, 1)[:, None])
    return np.stack(out, axis=1)
