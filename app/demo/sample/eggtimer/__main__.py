"""Say how many seconds a length of time has: python3 -m eggtimer 3m30s"""

import sys

from eggtimer.durations import parse

sys.stdout.write(f"{parse(' '.join(sys.argv[1:]))} seconds\n")
