"""Average the network's Jacobians d label / d flux over stars, beside what the nodes say, to see which lines it reads.

Reads  data/<run>/2_prepared.h5, models/<run>/{model.keras, scaling.h5}, the node library
Writes models/<run>/jacobian.h5, figures/<run>/jacobian*.png
"""

from starlabels import cli, jacobians

if __name__ == "__main__":
    cli.main(jacobians.run, __doc__)
