"""The rules: what follows from what. No I/O, no Trio, no clock, no chance; readings and the time are arguments.

snapshot, rates                       what was measured, and what two readings mean
ledger, headroom, cpu_gate, slots     may this job start?
leases, providers                     who holds what, until when
retention, schedule                   what may go, and when to look
alerts                                what is too much
"""
