"""Makes what the tests of the gate share (check_projects) importable here."""
