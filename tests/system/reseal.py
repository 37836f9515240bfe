# SPDX-License-Identifier: MIT
"""What SQLite's own program has written into a store gets checksums again, as
groupd's page says that they are: reseal.py FILE."""
import sys

import xxhash

PAGE = 4096
SUM = 8


def checksum(page, number):
    """The last bytes of a page, by all before them and its number."""
    return xxhash.xxh3_64_digest(page[:PAGE - SUM], seed=number)


def reseal(path):
    with open(path, "r+b") as file:
        data = file.read()
        for at in range(0, len(data), PAGE):
            page = data[at:at + PAGE]
            file.seek(at + PAGE - SUM)
            file.write(checksum(page, at // PAGE + 1))


if __name__ == "__main__":
    reseal(sys.argv[1])
