"""jacobian.py: average the Jacobians of the trained network, for labels or for flux."""

from starlabels.stages import jacobian_flux, jacobian_labels

TARGETS = {
    "labels": jacobian_labels.average_jacobians,
    "flux": jacobian_flux.compare_derivatives,
}


def average_network_jacobians(run, args=None):
    """Average the Jacobians of the recipe's target; print a note if the recipe asks for none."""
    if run.cfg.jacobian is None:
        print(f"{run.cfg.path}: jacobian is null: no Jacobians to average")
    else:
        TARGETS[run.cfg.target](run, args)
