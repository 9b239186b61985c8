"""The HTML page of an execution, for people: what happened to the file, and what has to be done.

`building` makes the content of the page from what is recorded of an execution: how it ended
(`endings`), its states and chunks on a timeline (`states`, `chunks`), the file and the other
executions of its load (`facts`), and its cost (`cost`). `marks` says what it did in each
state, `graph` colours the picture of the state machine by that, and `rendering` makes the HTML.
"""
