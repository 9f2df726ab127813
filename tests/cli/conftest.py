"""Makes what the tests of the command line share (cli_runs) importable in the directories below."""
