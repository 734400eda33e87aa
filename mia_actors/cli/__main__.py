"""`python -m mia_actors.cli`: the command `mia` where it is not on the path."""

from mia_actors.cli.main import main

if __name__ == "__main__":
    main()
