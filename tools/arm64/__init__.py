"""Runs what `sam build` packaged on emulated arm64, with AWS's own runtime client.

debian     packages of Debian: the emulator, and Python and its libraries for arm64
prepare    makes build/arm64, once
emulator   how a Python program is run on the emulated processor
__main__   `make arm64-check`: prepares, then runs tests/arm64
"""

from tickets import ROOT

FOLDER = ROOT / "build" / "arm64"
BUILD = ROOT / ".aws-sam" / "build"
