"""Checks a file as the functions would, without a stack: runs their code on local files.

stand_ins   what takes the place of S3, the ledger and the table
rows        reads the chunks, in several processes
equal_keys  counts rows with equal keys
check       the whole check of one file
estimate    what writing the rows takes and costs
"""
