"""What the machine can hold: an absurd size is refused before the system is asked for it."""

import os
import resource

from starlabels.base.errors import UserError


def get_available_memory():
    """Bytes of memory that this process may have."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return whole if limit == resource.RLIM_INFINITY else min(whole, limit)


def check_memory(needed, what, mend):
    """UserError if `what` needs more bytes than there are."""
    if needed > get_available_memory():
        raise UserError(
            f"{what} take {needed / 1e9:.3g} GB of memory, this machine has {get_available_memory() / 1e9:.3g} GB: {mend}"
        )
