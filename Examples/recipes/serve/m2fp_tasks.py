"""Celery tasks that have photos parsed by the m2fp server of the worker's machine.

    celery --app m2fp_tasks worker --concurrency 4        on each machine, beside `m2fp serve`
    from m2fp_tasks import parse
    parse.delay(base64.b64encode(photo).decode()).get()   anywhere: a zip archive, in base64

M2FP_REDIS is the broker, M2FP_URL the server. Results are kept for an hour.
"""

import base64
import os
import urllib.error
import urllib.request

from celery import Celery

REDIS = os.environ.get("M2FP_REDIS", "redis://localhost:6379/0")
URL = os.environ.get("M2FP_URL", "http://127.0.0.1:8472")

app = Celery("m2fp", broker=REDIS, backend=REDIS)
app.conf.update(
    # A worker that is killed gives its photo back, and at once, not after Redis's usual hour.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_transport_options={"visibility_timeout": int(os.environ.get("M2FP_VISIBILITY", "120"))},
    # Nothing waits in a worker's memory while another is idle.
    worker_prefetch_multiplier=1,
    result_expires=3600,
)


@app.task(bind=True, max_retries=None)
def parse(self, photo: str, query: str = "output=zip") -> str:
    """Parses a photo.

    photo: a whole file, in base64. query: options, as of POST /v1/parse.
    Returns the answer's body, in base64; raises ValueError with the server's reason for a bad photo.
    """
    request = urllib.request.Request(
        f"{URL}/v1/parse?{query}", data=base64.b64decode(photo), headers={"Content-Type": "application/octet-stream"}
    )
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return base64.b64encode(answer.read()).decode()
    except urllib.error.HTTPError as error:
        if error.code in (429, 503):
            raise self.retry(countdown=int(error.headers.get("Retry-After", "2"))) from None
        raise ValueError(error.read().decode()) from None
    except urllib.error.URLError as error:
        raise self.retry(exc=error, countdown=5) from None
