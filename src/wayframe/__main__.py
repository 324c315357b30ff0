"""``python -m wayframe`` is the program."""

from wayframe.cli.app import main

if __name__ == "__main__":
    main()
