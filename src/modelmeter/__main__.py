"""``python -m modelmeter``."""

from modelmeter.cli import main

if __name__ == "__main__":
    main()
