"""Published tables beside our runs, and the runs that a table needs; neither imports torch.

info_log, run_records: what a folder of runs holds. protocol: how a run differs from the published
one. tables, markdown: the tables. plan, estimate, runner: running what is missing.
"""
