"""How numbers are computed, and which of their signs are proven: one arithmetic for lines, planes and boxes."""
