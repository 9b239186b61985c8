"""The HTML page of an execution, for people: what happened to the file, and what has to be done.

- `recorded` has what is known of an execution, and `content` what the page says
- `building` makes the one from the other, with `endings`, `states`, `chunks`, `facts` and `cost`
- `marks` and `graph` colour the picture of the state machine by what the execution did
- `rendering` makes the HTML
"""
