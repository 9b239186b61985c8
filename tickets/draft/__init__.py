"""Drafts the declaration of a source by looking at a file, for a person to correct.

sample       the beginning of a file as text, and its encoding
division     how the text is divided into rows and fields
numbers, dates  the forms of numbers, and of dates and times
columns      the type of each column
attributes   the attribute of each column, by its title
draft        the declaration, and the list of guesses it is made of

Each guess counts the rows or values that fit it. A guess that the file doesn't decide is a question
for a person.
"""
