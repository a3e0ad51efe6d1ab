"""rembg's server: FastAPI with a form, the work on its pool of threads; without a queue of its own."""

import sys
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File, Response
from sleeping import parse as parse_photo

seconds, jobs, port = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
app = FastAPI()


@app.on_event("startup")
async def limit_threads() -> None:
    # As many at once as the others, which the library leaves at 40.
    import anyio

    anyio.to_thread.current_default_thread_limiter().total_tokens = jobs


@app.get("/livez")
def livez() -> str:
    return "ok"


@app.post("/v1/parse")
def parse(file: Annotated[bytes, File()]) -> Response:
    labels, timing = parse_photo(file, seconds)
    return Response(labels, media_type="image/png", headers={"Server-Timing": timing})


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
