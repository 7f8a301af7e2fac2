"""`python -m embbert`, for launchers of many processes."""

from embbert.cli import main

if __name__ == "__main__":
    main()
