"""Checks a deployed stack without changing anything. Each check returns a verdict.

diagnosis     runs all checks, and turns failed calls into findings
findings      verdicts, findings and their statuses
deployment    the deployed stack: its description, parameters and resources
template      template.yaml of this checkout, with the names and values of the deployed stack
code          the state machine's definition and the functions
events        how an upload reaches start_execution, and an ending the queues that it has to reach
permissions   what the roles may do
capacity      Lambda's concurrency and the table's throughput
storage       tables and buckets, and how they are protected
alarms        alarms and their topic, and what needs attention now
"""
