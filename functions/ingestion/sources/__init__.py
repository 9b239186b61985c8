"""Declarations of file formats: what a source's files look like and what their rows become.

This package imports no boto3.
"""
