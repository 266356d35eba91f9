"""``python -m plimsoll.cli``, for where the script is not on the path."""

import sys

from plimsoll.cli import main

sys.exit(main())
