"""The domain: the way from CSV bytes in S3 to accounted items in DynamoDB.

- `tasks`: the tasks of the state machine, one module each, and what they share
- `csv_files`: records, rows, chunks, and the digests of keys; no AWS
- `dynamodb`: the target table: its schema, requests, responses and flow control
- `ledger`: what is recorded of loads, chunks, claims, leases and slots
- `s3`: objects, notifications, and the work bucket
- `sources`: declarations of file formats
- `executions`: whether an execution is running, and what its history says
- `report_page`: the HTML page of an execution
- `contracts`: what the tasks pass to each other; `errors`: what makes a task fail

Nothing here reads a Lambda event. Imports go from `tasks` to the other packages, and from those
to `contracts` and `errors`.
"""
