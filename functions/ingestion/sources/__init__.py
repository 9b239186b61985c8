"""Declarations of file formats: what a source's files look like and what its rows become.

This package imports no boto3 and nothing of ``csv_files``.
"""
