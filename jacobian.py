"""Average the network's Jacobians d label / d flux over stars, to show which lines it reads.

The figures compare them with the sensitivity of the synthetic spectra to each label.
With target flux: the derivatives d flux / d label of the generator.

Reads  data/<run>/2_prepared.h5, models/<run>/{model.keras, scaling.h5}, the node library
Writes models/<run>/jacobian.h5, figures/<run>/jacobian*.png
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.jacobian import average_network_jacobians

if __name__ == "__main__":
    run_command(average_network_jacobians, __doc__)
