"""The console: a web page over a stack, served on this machine's loopback interface.

- ``watching`` reads what the pages show, in the background
- ``application`` serves the pages; ``live`` sends them anew when they change
- ``guard`` admits requests; ``changes`` does what a page asks for
- ``progress`` draws a load that is running
"""
