"""
Lease state that outlives the process.

The values themselves are L{pdlease.lease} and L{pdlease.identity}; the ledger of kernel objects is L{pdlease.ledger}.
"""
