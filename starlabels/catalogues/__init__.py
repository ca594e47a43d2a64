"""Tables of stars: reading, cross-matching, cuts, features, distances and survey flags."""
