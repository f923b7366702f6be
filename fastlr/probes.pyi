"""Short trainings at five rates, where a sweep can't tell which of them is good."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.curve import LRCurve
from fastlr.settings import SweepSettings

__all__ = ['PROBE_STEPS', 'run_probes']

PROBE_STEPS: int
def run_probes(curve: LRCurve, sweep_once: Any, settings: SweepSettings, progress: Any = None) -> LRCurve:
    """Return the `curve` with probes, if `settings.probe` asks for them; after Ctrl-C, return it with
    a note and without probes. Raise `ValueError` if the data runs out.

    Args:
        curve: without probes
        sweep_once: function `SweepSettings` -> finished `LRSweep`, from the state in which `curve`
            began
        settings: of the sweep that made `curve`
        progress: `Progress` of the sweeps, which prints what is done and why; default: print nothing
    """
