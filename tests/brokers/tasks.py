"""The Celery application of the workers that the tests start."""

from __future__ import annotations

import json
import os

from celery import Celery

app = Celery("tests", broker=os.environ.get("TESTS_BROKER"), set_as_current=False)
app.conf.broker_transport_options = json.loads(os.environ.get("TESTS_TRANSPORT", "{}"))
