"""The domain: the way from CSV bytes in S3 to accounted items in DynamoDB.

Where to look: ``uploads`` (what arrived), ``facts`` (what kind of file it is), ``records`` and
``chunks`` (where records begin and end), ``rows`` (what a row means), ``table`` (how items are
written), ``tally`` (how rows are counted), ``ledger`` (what is recorded), ``refused`` (rows that
were not written), ``errors``. The five tasks of the state machine are ``validation``, ``planning``,
``turns``, ``writing`` and ``reconciliation``. Nothing here knows a Lambda event.
"""
