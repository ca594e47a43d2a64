"""Networks and their training; knows no recipe and no file layout of a run."""
