"""The console: web pages over a stack, served on this machine's loopback interface.

- `server` serves the `application`; `guard` decides which requests it answers
- `loads_page`, `load_page`, `refused_page` and `failures_page` answer them
- `watching` reads what open pages show, `load_list` and `load_reading` in few calls
- `live` sends a page again when what it shows has changed
- `pages` renders the templates, `progress` draws a load that is running
- `connection` has the stack, `background` the threads that wait for its answers
"""
