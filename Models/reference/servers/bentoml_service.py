"""BentoML (PyPI's bentoml): a service of as many threads as there are workers, `max_concurrency` bounds it."""

import os
from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.validators import ContentType
from sleeping import parse

SECONDS, JOBS = float(os.environ["SECONDS_ASLEEP"]), int(os.environ["JOBS"])


@bentoml.service(workers=JOBS, threads=1, traffic={"timeout": 30, "max_concurrency": 18})
class Sleeping:
    @bentoml.api(route="/v1/parse")
    def parse(
        self, photo: Annotated[Path, ContentType("image/jpeg")], context: bentoml.Context
    ) -> Annotated[bytes, ContentType("image/png")]:
        labels, timing = parse(photo.read_bytes(), SECONDS)
        context.response.headers["Server-Timing"] = timing
        return labels
