"""Average the network's Jacobians d label / d flux over stars, beside what the nodes say, to see which lines it reads.

With target flux: those of the generator, d flux / d label, against the nodes'.
Reads  data/<run>/2_prepared.h5, models/<run>/{model.keras, scaling.h5}, the node library
Writes models/<run>/jacobian.h5, figures/<run>/jacobian*.png
"""

from starlabels.stages import command_line, jacobian_flux, jacobian_labels

TARGETS = {"labels": jacobian_labels.run, "flux": jacobian_flux.run_jacobian}


def run(cfg, args):
    """The Jacobians of the recipe's target, unless it asks for none."""
    if cfg.jacobian is None:
        print(f"{cfg.path}: jacobian is null: no Jacobians to average")
    else:
        TARGETS[cfg.target](cfg, args)


if __name__ == "__main__":
    command_line.main(run, __doc__)
