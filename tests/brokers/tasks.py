"""The Celery application of the workers that the tests start."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("tests", broker=os.environ.get("TESTS_BROKER"), set_as_current=False)
