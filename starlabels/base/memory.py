"""Memory of the machine: impossible sizes are refused before the system is asked for them."""

import os
import resource

from starlabels.base.errors import UserError


def get_memory_limit():
    """Bytes of memory that this process may use."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return installed if limit == resource.RLIM_INFINITY else min(installed, limit)


def check_memory(needed, subject, fix):
    """UserError "<subject> take ... GB of memory ...: <fix>" if `needed` bytes exceed it."""
    available = get_memory_limit()
    if needed > available:
        raise UserError(
            f"{subject} take {needed / 1e9:.3g} GB of memory, "
            f"this machine has {available / 1e9:.3g} GB: {fix}"
        )
