"""ModelScope's server: FastAPI whose handler runs the model on the loop that answers everything.

As its `modelscope server` does it (`POST /call`): JSON in, JSON out, photos and maps in base64.
"""

import base64
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from sleeping import parse

seconds, port = float(sys.argv[1]), int(sys.argv[3])
app = FastAPI()


@app.get("/livez")
async def livez() -> str:
    return "ok"


@app.post("/call")
async def call(request: Request, response: Response) -> dict[str, str]:
    photo = base64.b64decode((await request.json())["input"]["image"])
    labels, response.headers["Server-Timing"] = parse(photo, seconds)
    return {"masks": base64.b64encode(labels).decode()}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
