"""A test that is left out proves nothing, so CI, where everything can be had, lets none be left out.

`make test` loads this plugin of pytest where the environment says `CI=true`.
"""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that would have passed without the tests it left out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a process that works for another one, which hears of every test
        return
    left_out = len(reporter.stats.get("skipped", ()))
    if left_out and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"failed: {left_out} left out, and CI leaves nothing out", red=True)
