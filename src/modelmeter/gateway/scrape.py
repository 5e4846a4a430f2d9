"""What ``/metrics`` shows: the ledger's series, and a few numbers of this process."""


