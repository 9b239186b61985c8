"""Converts the values of a file's fields to what is stored, as the source's fields declare it.

`conversion.Conversion` has the rules of one field, `templates.Filler` those of an attribute
that is made from several fields. Each other module has one kind of values.
"""
