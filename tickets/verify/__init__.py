"""Checks a deployment by loading files whose results are known.

files          the rows of the files, and what must become of each
plan           which files are uploaded to a stack, and what that costs
traffic        uploads, and the executions that they start
comparison     what a load left behind, against what must become of its file
checks         the checks, in order, each with its evidence
cleanup        removes the items, the object versions and the dead letters again
verification   all of it: the checks, and the clean-up whatever happens
"""
