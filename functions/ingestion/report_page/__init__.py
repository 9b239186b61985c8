"""The HTML page of an execution, for people: what happened to the file, and what has to be done.

``page`` defines what the page says, ``graph`` colours the picture of the state machine, and
``rendering`` makes the HTML.
"""
