"""Figure of loss and learning rate by epoch."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.plots import BLUE, COLUMN, VERMILLION, plt, save_figure

LOSS_LABELS = {
    "mse": "mean squared error\n(scaled)",
    "gaussian_nll": r"mean $-\ln$ likelihood" + "\n(scaled labels)",
}
LOSS_LABELS["parallax_nll"] = LOSS_LABELS["gaussian_nll"]


def draw_loss(history, kind, path):
    """Draw the loss and learning rate by epoch, and mark the epoch whose weights were kept.

    Parameters
    ----------
    history : dict
        {"loss", "val_loss", "learning_rate": (n_epochs,)}.
    kind : str
        Name of the loss in the configuration.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    epoch = np.arange(1, len(history["loss"]) + 1)
    rate = np.array(history["learning_rate"])
    best = int(np.argmin(history["val_loss"]))
    fig, (top, low) = plt.subplots(2, 1, figsize=(COLUMN, 3.2), sharex=True, height_ratios=[3, 1])
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    top.plot(epoch, history["loss"], "o-", ms=2.5, color=BLUE, label="training")
    top.plot(epoch, history["val_loss"], "s-", ms=2.5, color=VERMILLION, label="validation")
    ring = {"ms": 8, "mfc": "none", "color": "k"}
    top.plot(epoch[best], history["val_loss"][best], "o", label="weights kept", **ring)
    low.plot(epoch, rate / (rate.max() or 1), drawstyle="steps-mid", color="k")
    drops = epoch[1:][np.diff(rate) < 0]
    if len(drops) <= len(epoch) // 3:  # steps of a plateau schedule; a cosine always falls
        style = {"color": "0.6", "lw": 0.6, "ls": ":", "zorder": 0}
        for ax in (top, low):
            ax.vlines(drops - 0.5, 0, 1, transform=ax.get_xaxis_transform(), **style)
    scale = "log" if kind == "mse" else "linear"  # minus a log likelihood may be negative
    top.set(ylabel=LOSS_LABELS[kind], yscale=scale)
    top.legend()
    low.set(xlabel="epoch", ylabel="rate / max", ylim=(0, 1.1))
    low.xaxis.set_major_locator(MaxNLocator(integer=True))
    low.xaxis.minorticks_off()
    fig.align_ylabels()
    return save_figure(fig, path)
