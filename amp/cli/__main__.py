"""`python -m amp.cli`: the same as `amp`."""

from amp.cli.start import main

if __name__ == "__main__":
    main()
