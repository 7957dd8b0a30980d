# SPDX-License-Identifier: MIT
"""What a caller notices when something breaks, fault by fault and phase by
phase of a call.

`make check-faults` runs all and writes build/faults/table.txt; `make check`
one cell for each fault and each phase. faults.py is what strikes, phases.py
where in the call, cell.py one run and its measures, brain.py the model on the
other side, known_open.py what does not hold yet.
"""
